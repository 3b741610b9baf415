import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from toolkit.evaluation import metrics, statistics


def drawn(seed, classes, rows, ties=False):
    """Labels and probabilities that know something of them; with `ties` few different scores."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    logits = rng.normal(size=(rows, classes)) + 1.5 * (labels[:, None] == np.arange(classes))
    return labels, metrics.softmax(logits.round() if ties else logits)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("classes", "rows"), [(2, 10), (2, 300), (3, 100), (7, 400)])
def test_auc_is_that_of_scikit_learn(classes, rows, ties):
    labels, probabilities = drawn(classes * rows, classes, rows, ties)
    if classes == 2:
        expected = roc_auc_score(labels, probabilities[:, 1])
    else:
        expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert statistics.auc(labels, probabilities, 0)["value"] == pytest.approx(expected)


def test_weights_are_repeated_rows():
    labels, probabilities = drawn(5, 2, 60, ties=True)
    weights = np.random.default_rng(0).integers(1, 4, (3, 60))
    score = statistics._sorted(labels == 1, probabilities[:, 1])
    for w, found in zip(weights, statistics._weighted_auc(score, weights), strict=True):
        assert found == pytest.approx(roc_auc_score(labels, probabilities[:, 1], sample_weight=w))


def test_scores_that_say_nothing_or_all():
    labels = np.array([0, 0, 1, 1])
    assert statistics.auc(labels, np.full((4, 2), 0.5), 0) == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert statistics.auc(labels, np.eye(2)[labels], 0) == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert statistics.auc(labels, np.eye(2)[1 - labels], 0)["value"] == 0.0


@pytest.mark.parametrize("classes", [2, 3])
def test_one_class_alone_has_no_auc(classes):
    none = {"value": None, "low": None, "high": None}
    probabilities = np.full((5, classes), 1 / classes)
    assert statistics.auc(np.ones(5, dtype=int), probabilities, 0) == none
    found = statistics.quality(np.ones(5, dtype=int), probabilities, 0)
    assert found["auc"] == none
    assert found["accuracy"]["value"] == 0.0


def test_auc_leaves_out_classes_that_do_not_occur():
    labels, probabilities = drawn(3, 3, 90)
    wider = np.hstack([probabilities, np.zeros((90, 1))])
    assert statistics.auc(labels, wider, 0)["value"] == statistics.auc(labels, probabilities, 0)["value"]


@pytest.mark.parametrize("rows", [3, 20, 500])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_intervals_hold_their_value_and_no_warning_is_given(classes, rows, seed):
    labels, probabilities = drawn(seed, classes, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.quality(labels, probabilities, seed)
    assert set(found) == {"accuracy", "f1_macro", "auc"}
    for name, figure in found.items():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, name
        assert all(type(v) is float for v in figure.values())


def test_the_seed_decides_the_interval_and_not_the_value():
    labels, probabilities = drawn(0, 3, 120)
    one, same, other = (statistics.quality(labels, probabilities, seed) for seed in (1, 1, 2))
    assert one == same != other
    assert [f["value"] for f in one.values()] == [f["value"] for f in other.values()]


def test_blocks_do_not_change_what_is_covered(monkeypatch):
    labels, probabilities = drawn(0, 3, 120)
    whole = statistics.quality(labels, probabilities, 1)
    monkeypatch.setattr(statistics, "_CELLS_AT_ONCE", 1000)
    blocks = statistics.quality(labels, probabilities, 1)
    for name, figure in whole.items():
        assert blocks[name] == pytest.approx(figure, abs=1e-9), name


def test_the_interval_of_accuracy_is_that_of_the_binomial():
    matrix = np.array([[420, 80], [40, 460]])
    found = statistics.from_confusion(matrix, {"accuracy": metrics.accuracy}, 0)["accuracy"]
    low, high = stats.binom(1000, 0.88).ppf([0.025, 0.975]) / 1000
    assert (found["value"], found["low"], found["high"]) == pytest.approx((0.88, low, high), abs=0.004)


def test_the_interval_of_auc_is_that_of_rows_drawn_again():
    labels, probabilities = drawn(2, 2, 150)
    rng, again = np.random.default_rng(1), []
    for _ in range(600):
        rows = rng.integers(0, 150, 150)
        again.append(roc_auc_score(labels[rows], probabilities[rows, 1]))
    found = statistics.auc(labels, probabilities, 0)
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=0.015)


def test_95_in_a_hundred_intervals_cover_the_truth():
    rng, truth, covered = np.random.default_rng(0), 0.8, 0
    for trial in range(200):
        right = rng.binomial(150, truth)
        matrix = np.array([[right, 150 - right], [0, 0]])
        found = statistics.from_confusion(matrix, {"accuracy": metrics.accuracy}, trial)["accuracy"]
        covered += found["low"] <= truth <= found["high"]
    assert 0.90 <= covered / 200 <= 0.99


def test_paired_difference():
    rng = np.random.default_rng(0)
    before, after = rng.random(400) < 0.8, rng.random(400) < 0.9
    difference = after.astype(float) - before
    found = statistics.paired_difference(before, after, 0)
    assert found["value"] == pytest.approx(difference.mean())
    half = 1.96 * difference.std() / 20
    expected = (difference.mean() - half, difference.mean() + half)
    assert (found["low"], found["high"]) == pytest.approx(expected, abs=0.006)
    assert statistics.paired_difference(before, before, 0) == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert statistics.paired_difference(before, after, 0) == found


def test_pairs_make_the_interval_narrow():
    """Two models that err on the same rows differ surely, however few rows differ."""
    before = np.arange(1000) % 5 > 0
    after = before.copy()
    after[:50] = True
    found = statistics.paired_difference(before, after, 0)
    assert 0 < found["low"] < found["value"] < found["high"] < 0.03


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_undefined_is_none(value):
    assert statistics.estimate(value, [1.0]) == {"value": None, "low": None, "high": None}


def test_undefined_resamples_are_left_out():
    assert statistics.estimate(0.5, [np.nan, 0.4, 0.6]) == {"value": 0.5, "low": 0.405, "high": 0.595}
    assert statistics.estimate(0.5, [np.nan]) == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert statistics.estimate(0.9, [0.4, 0.6])["high"] == 0.9


def test_figures_of_several_classes_lie_in_their_intervals_and_narrow_with_rows():
    rng = np.random.default_rng(0)
    widths = []
    for rows in (60, 960):
        labels = rng.random((rows, 4)) < 0.4
        probabilities = np.where(rng.random(labels.shape) < 0.85, labels, ~labels) * 0.8 + 0.1
        found = statistics.quality_of_several(labels, probabilities, seed=0)
        assert set(found) == {"accuracy", "f1_macro", "f1_micro"}
        for figure in found.values():
            assert 0 < figure["low"] < figure["value"] < figure["high"] < 1
        widths.append([figure["high"] - figure["low"] for figure in found.values()])
        assert found == statistics.quality_of_several(labels, probabilities, seed=0)
    assert np.array(widths[0]) / np.array(widths[1]) == pytest.approx(4, rel=0.4)  # the root of 16
