import numpy as np
import pytest
from sklearn import metrics as reference

from toolkit.evaluation import classes, metrics


def drawn(seed, width, rows, absent=()):
    rng = np.random.default_rng(seed)
    present = [c for c in range(width) if c not in absent]
    return rng.choice(present, rows), rng.dirichlet(np.ones(width), rows)


SHAPES = [(2, 50, ()), (5, 200, ()), (6, 30, (0, 5)), (3, 3, ()), (9, 12, (1,))]


@pytest.mark.parametrize(("width", "rows", "absent"), SHAPES)
def test_means_over_the_classes_are_those_of_scikit_learn(width, rows, absent):
    labels, probabilities = drawn(width, width, rows, absent)
    predicted = probabilities.argmax(1)
    counts = classes.count(labels, predicted, width)
    expected = reference.precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
        assert classes.macro(counts, name)["value"] == pytest.approx(value), name
    balanced = np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)])
    assert classes.macro(counts, "recall", counts.support > 0)["value"] == pytest.approx(balanced)
    assert classes.matthews(labels, predicted, width)["value"] == pytest.approx(
        reference.matthews_corrcoef(labels, predicted)
    )


def test_rows_of_several_classes_too():
    rng = np.random.default_rng(0)
    labels, predicted = rng.random((80, 5)) < 0.4, rng.random((80, 5)) < 0.4
    counts = classes.count(labels, predicted, 5)
    for average, measure in (("macro", classes.macro), ("micro", classes.micro)):
        expected = reference.precision_recall_fscore_support(labels, predicted, average=average)
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert measure(counts, name)["value"] == pytest.approx(value), (average, name)


def test_each_class_is_that_of_scikit_learn_and_undefined_where_nothing_is_told():
    labels, predicted = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 1])
    found = classes.each(classes.count(labels, predicted, 4))
    expected = reference.precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        assert found[name]["value"] == pytest.approx(values, nan_ok=True), name
    assert np.isnan(found["precision"]["value"][2]), "never predicted"
    assert np.isnan([found[name]["value"][3] for name in found]).all(), "neither occurs nor is predicted"


def macro(name):
    return lambda labels, predicted: classes.macro(classes.count(labels, predicted, 4), name)


def micro(labels, predicted):
    return classes.micro(classes.count(labels, predicted, 4), "f1")


@pytest.mark.parametrize(
    ("figure", "several"),
    [
        *((macro(name), False) for name in classes.RATIOS),
        (lambda labels, predicted: classes.matthews(labels, predicted, 4), False),
        (macro("f1"), True),
        (micro, True),
    ],
)
def test_the_interval_is_that_of_rows_drawn_again(figure, several):
    """Of many rows all ways to find an interval agree."""
    rng = np.random.default_rng(1)
    labels = rng.choice(4, 1000, p=[0.5, 0.25, 0.15, 0.1])
    predicted = np.where(rng.random(1000) < 0.75, labels, rng.integers(0, 4, 1000))
    if several:  # each second row has the class after its own too
        labels, predicted = (
            metrics.several_hot([[v, (v + 1) % 4][: 1 + i % 2] for i, v in enumerate(x)], 4)
            for x in (labels, predicted)
        )
    again = [figure(labels[rows], predicted[rows])["value"] for rows in rng.integers(0, 1000, (200, 1000))]
    found = figure(labels, predicted)
    assert found["high"] - found["low"] == pytest.approx(3.92 * np.std(again), rel=0.15)


def test_all_right_is_not_sure_for_ever():
    labels = np.array([0, 1, 2])
    counts = classes.count(labels, labels, 3)
    for figure in (classes.macro(counts, "f1"), classes.matthews(labels, labels, 3)):
        assert figure["value"] == figure["high"] == 1
        assert figure["low"] < 0.5


def test_one_class_alone_has_no_correlation():
    assert classes.matthews(np.zeros(5, int), np.array([0, 0, 1, 0, 0]), 2)["value"] is None


def test_top_places_are_those_of_argmax_and_of_scikit_learn(monkeypatch):
    labels, probabilities = drawn(0, 7, 200)
    probabilities[:20] = 1 / 7  # all alike: the first is told
    assert ((classes.top(labels, probabilities) < 1) == (probabilities.argmax(1) == labels)).all()
    for k in (3, 5):
        expected = reference.top_k_accuracy_score(labels[20:], probabilities[20:], k=k, labels=range(7))
        assert (classes.top(labels, probabilities)[20:] < k).mean() == pytest.approx(expected)
    whole = classes.top(labels, probabilities)
    monkeypatch.setattr(metrics, "CELLS_AT_ONCE", 100)
    assert (classes.top(labels, probabilities) == whole).all()


def test_confused_pairs():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 1, 0])
    assert classes.confused(labels, predicted, 2) == [(0, 1, 2), (1, 0, 1)]
    assert classes.confused(labels, labels, 2) == []
