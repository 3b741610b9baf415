import warnings

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from toolkit.evaluation import comparison, metrics
from toolkit.evaluation.comparison import Answers
from toolkit.evaluation.statistics import wilson

NAMES = ["a", "b", "c", "d"]


def drawn(rows=600, classes=4, seed=0):
    """Labels, and what two models say of them, the second a little better."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    before = np.where(rng.random(rows) < 0.7, labels, rng.integers(0, classes, rows))
    after = np.where(rng.random(rows) < 0.8, before, np.where(rng.random(rows) < 0.9, labels, 0))
    return labels, before, after


def several(rows=300, classes=4, seed=0):
    """The same of rows with several classes."""
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, classes)) < 0.4
    before, after = (np.where(rng.random(labels.shape) < share, ~labels, labels) for share in (0.2, 0.1))
    return labels, before, after


def compare(labels, before, after, losses=(None, None), margin=0.01):
    names = NAMES[: labels.shape[1]] if labels.ndim > 1 else NAMES
    return comparison.compare(labels, Answers(before, losses[0]), Answers(after, losses[1]), names, margin, seed=0)


@pytest.mark.parametrize("made", [drawn, several])
def test_figures_are_the_differences_of_scikit_learns(made):
    labels, before, after = made()
    found = compare(labels, before, after)
    right = [(told == labels).all(1) if labels.ndim > 1 else told == labels for told in (before, after)]
    assert found["difference"]["accuracy"]["value"] == pytest.approx(right[1].mean() - right[0].mean())
    macro = [f1_score(labels, told, average="macro") for told in (before, after)]
    assert found["difference"]["f1_macro"]["value"] == pytest.approx(macro[1] - macro[0])
    assert found["fixed"] == (right[1] & ~right[0]).sum()
    assert found["fixed"] + found["broken"] + found["both_right"] + found["both_wrong"] == len(labels)
    other = before != after
    assert found["flipped"] == (other.any(1) if other.ndim > 1 else other).sum()
    assert found["verdict"] == "better"
    for figure in (found["difference"]["accuracy"], found["difference"]["f1_macro"]):
        assert 0 < figure["low"] < figure["value"] < figure["high"]
        assert figure["p"] < 0.05


def test_intervals_are_those_of_resampled_rows():
    """Against a bootstrap that draws rows, figure by figure."""
    labels, before, after = drawn(200)
    rng, values = np.random.default_rng(5), []
    for _ in range(1000):
        rows = rng.integers(0, 200, 200)
        one, two = (metrics.f1_macro(metrics.confusion(labels[rows], told[rows], 4)) for told in (before, after))
        values.append(two - one)
    found = compare(labels, before, after)["difference"]["f1_macro"]
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.01)


def test_losses():
    labels, before, after = drawn(100)
    rng = np.random.default_rng(0)
    probabilities = metrics.softmax(rng.normal(size=(2, 100, 4)))
    losses = [comparison.losses(labels, p) for p in probabilities]
    found = compare(labels, before, after, losses)["difference"]["log_loss"]
    expected = [log_loss(labels, p, labels=range(4)) for p in probabilities]
    assert found["value"] == pytest.approx(expected[1] - expected[0])
    assert found["low"] < found["value"] < found["high"]
    assert compare(labels, before, after)["difference"]["log_loss"] == dict.fromkeys(("value", "low", "high", "p"))
    hot, chances = several(50)[0], rng.random((50, 4))
    assert comparison.losses(hot, chances).mean() == pytest.approx(metrics.several_summary(hot, chances)["loss"])


def test_by_class():
    labels, before, after = drawn()
    found = compare(labels, before, after)["per_class"]
    assert list(found) == NAMES
    for k, name in enumerate(NAMES):
        of = labels == k
        recall = (after[of] == k).mean() - (before[of] == k).mean()
        assert found[name]["recall"]["value"] == pytest.approx(recall)
        assert found[name]["recall"]["low"] < recall < found[name]["recall"]["high"]
        f1 = [f1_score(labels == k, told == k) for told in (before, after)]
        assert found[name]["f1"] == pytest.approx(f1[1] - f1[0])
        assert found[name]["rows"] == of.sum()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_few_rows_of_one_class_alike(rows):
    labels = np.ones(rows, int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(labels, labels, labels)
    assert found["verdict"] == "undecided"
    assert found["more_rows"] > 100
    assert found["difference"]["accuracy"]["low"] < 0 < found["difference"]["accuracy"]["high"]
    macro = found["difference"]["f1_macro"]
    assert (macro["value"], macro["p"]) == (0, 1)
    assert -1 < macro["low"] < 0 < macro["high"] < 1
    assert list(found["per_class"]) == ["b"]


def test_macro_f1_is_the_less_sure_the_rarer_a_class_where_nothing_flips():
    wide, narrow = (
        compare(labels, labels, labels)["difference"]["f1_macro"]["high"]
        for labels in (np.repeat([0, 1], [995, 5]), np.repeat([0, 1], [500, 500]))
    )
    assert wide == pytest.approx(wilson(0, 10)[1])
    assert narrow == pytest.approx(wilson(0, 1000)[1])


def test_a_class_that_only_the_baseline_knows_is_no_class_of_the_models():
    labels = np.array([0, 0, 1, 1])
    found = compare(labels, np.array([0, 3, 1, 3]), np.array([0, 0, 1, 1]))
    assert found["difference"]["f1_macro"]["value"] == pytest.approx(1 - np.mean([2 / 3, 2 / 3, 0]))
    assert (found["fixed"], found["broken"]) == (2, 0)


def test_many_classes_take_no_square_of_them():
    labels, before, after = drawn(5000, 5000)
    found = comparison.compare(
        labels, Answers(before, None), Answers(after, None), [str(i) for i in range(5000)], 0.01, 0
    )
    macro = [f1_score(labels, told, average="macro") for told in (before, after)]
    assert found["difference"]["f1_macro"]["value"] == pytest.approx(macro[1] - macro[0])


def test_the_same_seed_gives_the_same_figures():
    assert compare(*drawn()) == compare(*drawn())
