from pathlib import Path

import pytest

from toolkit.compression import measure


@pytest.mark.parametrize(
    ("flags", "known", "said"),
    [
        ("avx2", ("static", 10), "no instructions"),
        ("avx512_vnni", ("static", 400_000), "small (400,000 parameters)"),
        ("amx_bf16 amx_int8", ("dynamic", 10**8, 400), "long (400 tokens"),
        ("i8mm", ("static", 10**8), "profile it"),
        ("avx2", ("weights", 10), "computed in float32"),
    ],
)
def test_the_reason_is_one_that_holds(monkeypatch, flags, known, said):
    monkeypatch.setattr(Path, "read_text", lambda path: f"flags : {flags}")
    assert said in measure.slow_reason(*known)
