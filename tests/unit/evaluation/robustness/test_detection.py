"""Figures of detection against scikit-learn's, and intervals that cover."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from toolkit.evaluation.robustness import detection

RNG = np.random.default_rng(0)


def drawn(apart: float, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    inside, outside = RNG.normal(apart, 1, 300), RNG.normal(0, 1, 200)
    return (inside.round(1), outside.round(1)) if ties else (inside, outside)


@pytest.mark.parametrize("ties", [False, True])
def test_figures_are_scikit_learns(ties):
    inside, outside = drawn(1.5, ties)
    found = detection.figures(inside, outside, 0)
    truth, scores = np.r_[np.ones(300), np.zeros(200)], np.r_[inside, outside]
    assert found["auroc"]["value"] == pytest.approx(roc_auc_score(truth, scores))
    assert found["aupr"]["value"] == pytest.approx(average_precision_score(1 - truth, -scores))
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert found["fpr95"]["value"] == pytest.approx(false[true >= 0.95 - 1e-12].min())
    for figure in found.values():
        assert 0 <= figure["low"] < figure["value"] < figure["high"] <= 1


def test_delong_covers_the_truth():
    truth = 0.8556  # P(N(1.5, 1) > N(0, 1)) = Phi(1.5 / sqrt(2))
    rng, covered = np.random.default_rng(1), 0
    for _ in range(400):
        figure = detection.figures(rng.normal(1.5, 1, 60), rng.normal(0, 1, 40), 0)["auroc"]
        covered += figure["low"] <= truth <= figure["high"]
    assert 0.93 <= covered / 400 <= 0.975


@pytest.mark.parametrize(
    ("inside", "outside", "value"), [([3.0, 2.0, 4.0], [1.0, 0.0], 1.0), ([1.0], [1.0], 0.5), ([0.0, 0.1], [3.0], 0.0)]
)
def test_few_rows_in_order_do_not_make_it_certain(inside, outside, value):
    figure = detection.figures(np.array(inside), np.array(outside), 0)["auroc"]
    assert figure["value"] == value
    assert figure["high"] - figure["low"] > 0.5


@pytest.mark.parametrize(("apart", "value", "low", "high"), [(20, 0.0, 0.0, 0.0713), (-20, 1.0, 0.9287, 1.0)])
def test_where_none_or_all_pass_the_interval_is_wilsons(apart, value, low, high):
    figure = detection.figures(RNG.normal(apart, 1, 100), RNG.normal(0, 1, 50), 0)["fpr95"]
    assert (figure["value"], figure["low"], figure["high"]) == pytest.approx((value, low, high), abs=1e-4)


def test_where_next_to_none_pass_the_interval_covers():
    """The truth is 1 - Phi(2.85); the bootstrap alone holds it in a third of the sets."""
    rng, covered = np.random.default_rng(2), 0
    for _ in range(100):
        figure = detection.figures(rng.normal(4.5, 1, 100), rng.normal(0, 1, 50), 0)["fpr95"]
        covered += figure["low"] <= 0.0022 <= figure["high"]
    assert covered >= 93


def test_many_values_are_counted_together():
    inside, outside = RNG.normal(1, 1, 9000), RNG.normal(0, 1, 3000)
    counts = detection.counted(inside, outside, 500)
    assert [len(side) for side in counts] == [500, 500]
    assert [side.sum() for side in counts] == [9000, 3000]
    exact = detection.passed(*(side[None] for side in detection.counted(inside, outside)))
    assert detection.passed(*(side[None] for side in counts)) == pytest.approx(exact, abs=5e-3)


def test_the_curve_runs_from_none_to_all():
    outside, inside = detection.curve(*drawn(1.0, ties=False))
    assert (outside[0], inside[0], outside[-1], inside[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(inside, outside) > 0.6
