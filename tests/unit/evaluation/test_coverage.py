"""A small edition of scripts/bench/coverage.py: 95 in a hundred intervals hold the truth."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "scripts" / "bench" / "coverage.py"
SETS = 150


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("coverage_bench", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("width", "rows", "imbalance", "apart"), [(2, 200, 4, 1.5), (5, 200, 3, 2.0)])
def test_the_truth_is_held_as_often_as_is_said(bench, monkeypatch, width, rows, imbalance, apart):
    monkeypatch.setattr(bench, "POPULATION", 100_000)
    found = bench.covered(bench.Setting(width, rows, imbalance, apart), SETS)
    for name in ("accuracy", "f1_macro", "mcc", "auc", "average_precision", "log_loss", "brier"):
        assert 0.89 <= found[name][0] <= 0.995, name  # three standard errors of 150 sets about 95 in a hundred
    assert found["auc"][0] > found["auc, DeLong plain"][0] - 0.01
