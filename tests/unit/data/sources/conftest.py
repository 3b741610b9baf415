from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from toolkit import console
from toolkit.data import sources


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., pa.Table]:
    """(name, content) -> the one table behind a file, by the two calls that commands make."""

    def read(name: str, content: str | bytes, spill: Path | None = None) -> pa.Table:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        files, passed_over = sources.locate(path)
        assert not passed_over
        return sources.read(files, spill)["train"]

    return read


@pytest.fixture
def rows(table: Callable[..., pa.Table]) -> Callable[..., list[dict[str, Any]]]:
    """(name, content) -> the rows behind a file."""
    return lambda *args: table(*args).to_pylist()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings that were given."""
    told: list[str] = []
    monkeypatch.setattr(console, "warn", told.append)
    return told
