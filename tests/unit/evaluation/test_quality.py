import time
import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from toolkit.evaluation import metrics, quality


def drawn(seed, width, rows):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(width), rng.integers(0, width, rows - width)])
    logits = rng.normal(size=(rows, width)) + 1.5 * (labels[:, None] == np.arange(width))
    return labels, metrics.softmax(logits)


@pytest.mark.parametrize("width", [2, 3])
def test_log_loss_and_brier_are_those_of_scikit_learn(width):
    labels, probabilities = drawn(0, width, 100)
    found = quality.confidence(labels, probabilities, seed=0)
    assert found["log_loss"]["value"] == pytest.approx(reference.log_loss(labels, probabilities))
    told = probabilities[:, 1] if width == 2 else probabilities
    assert found["brier"]["value"] == pytest.approx(reference.brier_score_loss(labels, told))


@pytest.mark.parametrize("rows", [3, 20, 500])
@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_intervals_hold_their_value_and_no_warning_is_given(width, rows, seed):
    labels, probabilities = drawn(seed, width, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = quality.measure(labels, probabilities, seed)
    for name, figure in found.items():
        least, most = {"mcc": (-1, 1), "log_loss": (0, np.inf)}.get(name, (0, 1.5 if name == "brier" else 1))
        assert least <= figure["low"] <= figure["value"] <= figure["high"] <= most, name
        assert figure["low"] < figure["high"], name


def test_which_figures_there_are():
    assert "top_3" not in quality.measure(*drawn(0, 6, 60), 0)[0]
    found, each = quality.measure(*drawn(0, 7, 60), 0)
    assert list(found) == [
        "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "mcc", "top_3", "auc",
        "average_precision", "log_loss", "brier", "ece", "ece_debiased",
    ]  # fmt: skip
    assert "top_5" in quality.measure(*drawn(0, 11, 60), 0)[0]
    assert set(each) == {"precision", "recall", "f1", "auc", "average_precision"}


def test_one_class_in_the_rows():
    found, each = quality.measure(np.ones(5, dtype=int), np.full((5, 3), 1 / 3), 0)
    undefined = {name for name, figure in found.items() if figure["value"] is None}
    assert undefined == {"auc", "average_precision", "mcc"}
    assert found["accuracy"]["value"] == 0
    assert np.isnan(each["recall"]["value"]).tolist() == [True, False, True]


def test_rows_of_several_classes():
    rng = np.random.default_rng(0)
    widths = []
    for rows in (60, 960):
        labels = rng.random((rows, 4)) < 0.4
        labels[:, 0] |= ~labels.any(1)
        probabilities = np.where(rng.random(labels.shape) < 0.85, labels, ~labels) * 0.8 + 0.1 * rng.random(
            labels.shape
        )
        found, _ = quality.measure(labels, probabilities, seed=0)
        predicted = metrics.chosen(probabilities)
        assert found["accuracy"]["value"] == pytest.approx((labels == predicted).all(1).mean())
        assert found["hamming_loss"]["value"] == pytest.approx(reference.hamming_loss(labels, predicted))
        assert found["f1_micro"]["value"] == pytest.approx(reference.f1_score(labels, predicted, average="micro"))
        assert found["brier"]["value"] == pytest.approx(np.square(labels - probabilities).mean())
        wide = {name: figure["high"] - figure["low"] for name, figure in found.items() if "ece" not in name}
        assert all(0 < found[name]["low"] < found[name]["value"] < found[name]["high"] for name in wide)
        widths.append([*wide.values()])
    assert np.array(widths[0]) / np.array(widths[1]) == pytest.approx(4, rel=0.5)  # the root of 16


def test_ten_thousand_classes_take_seconds_and_no_square_of_them():
    rng = np.random.default_rng(0)
    labels, probabilities = rng.permutation(10_000)[:100], rng.dirichlet(np.ones(10_000), 100)
    tracemalloc.start()
    started = time.process_time()
    found, each = quality.measure(labels, probabilities, seed=0)
    assert time.process_time() - started < 5
    assert tracemalloc.get_traced_memory()[1] < 60e6, "a table of 10,000 by 10,000 takes more than ten times that"
    tracemalloc.stop()
    assert np.isfinite(each["auc"]["value"]).sum() == 100
    assert all(figure["value"] is not None for figure in found.values())


def test_gates_know_all_figures():
    from toolkit.commands._evaluate_quality import KNOWN

    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(12), 60)
    of_one, _ = quality.measure(rng.integers(0, 12, 60), chances, 0)
    of_several, _ = quality.measure(rng.random((60, 12)) < 0.3, rng.random((60, 12)), 0)
    assert of_one.keys() | of_several.keys() == KNOWN.keys()
