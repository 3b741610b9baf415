import pytest

from toolkit import console


@pytest.fixture
def told(monkeypatch):
    """The warnings of a test."""
    lines = []
    monkeypatch.setattr(console, "warn", lines.append)
    return lines
