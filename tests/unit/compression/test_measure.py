from pathlib import Path

import pytest

from toolkit.compression import measure


@pytest.mark.parametrize(
    ("flags", "known", "said"),
    [
        ("avx2", {"parameters": 10}, "no instructions"),
        ("avx512_vnni", {"parameters": 400_000}, "small (400,000 parameters)"),
        ("amx_int8", {"parameters": 10**8, "tokens": 400}, "long (400 tokens"),
        ("i8mm", {}, "profile it"),
    ],
)
def test_the_reason_is_one_that_holds(monkeypatch, flags, known, said):
    monkeypatch.setattr(Path, "read_text", lambda path: f"flags : {flags}")
    assert said in measure.slow_reason(**known)
