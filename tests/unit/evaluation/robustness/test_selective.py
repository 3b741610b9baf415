"""The risk-coverage curve against its definition."""

import numpy as np
import pytest

from toolkit.evaluation.robustness import selective


def by_hand(confidence: np.ndarray, right: np.ndarray) -> float:
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())


def cells(confidence: np.ndarray, right: np.ndarray) -> list[np.ndarray]:
    return [part[None] for part in selective._cells(confidence, right)]


def test_aurc_is_the_mean_risk():
    rng = np.random.default_rng(0)
    confidence = rng.random(200)
    right = rng.random(200) < confidence
    found = selective.measure(confidence, right, 0)
    assert found["aurc"]["value"] == pytest.approx(by_hand(confidence, right))
    best = by_hand(right.astype(float), right)
    assert found["excess_aurc"]["value"] == pytest.approx(found["aurc"]["value"] - best)
    for name in ("aurc", "excess_aurc", "accuracy_at_80"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_ties_are_taken_in_any_order():
    rng = np.random.default_rng(1)
    confidence, right = rng.integers(0, 4, 60) / 4, rng.random(60) < 0.7
    shuffled = []
    for _ in range(3000):
        order = rng.permutation(60)
        shuffled.append(by_hand(confidence[order], right[order]))
    assert selective.aurc(*cells(confidence, right))[0] == pytest.approx(np.mean(shuffled), abs=2e-3)


def test_a_perfect_order_has_no_excess_and_no_errors_no_risk():
    right = np.array([True] * 8 + [False] * 2)
    assert selective.excess(*cells(np.arange(10, 0, -1), right))[0] == pytest.approx(0)
    found = selective.measure(np.linspace(0.5, 1, 10), np.ones(10, bool), 0)
    assert found["aurc"] == found["excess_aurc"] == {"value": 0, "low": 0, "high": pytest.approx(0.278, abs=1e-3)}
    assert found["accuracy_at_90"]["value"] == 1


def test_accuracy_at_a_coverage_is_that_of_the_surest():
    confidence, right = np.linspace(1, 0.1, 10), np.array([True] * 8 + [False] * 2)
    found = selective.measure(confidence, right, 0)
    assert found["accuracy_at_80"]["value"] == 1
    assert found["accuracy_at_90"]["value"] == pytest.approx(8 / 9)
    assert found["confidence_at_80"] == pytest.approx(confidence[7])


def test_the_curve_ends_with_all_rows():
    rng = np.random.default_rng(0)
    coverage, risk = selective.curve(rng.random(500), rng.random(500) < 0.8)
    assert len(coverage) == selective.POINTS
    assert coverage[-1] == 1
    assert 0.1 < risk[-1] < 0.3
