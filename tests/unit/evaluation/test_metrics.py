import numpy as np
import pytest
from sklearn import metrics as reference

from toolkit.evaluation import metrics


def drawn(seed, classes, rows, absent=()):
    rng = np.random.default_rng(seed)
    present = [c for c in range(classes) if c not in absent]
    return rng.choice(present, rows), rng.dirichlet(np.ones(classes), rows)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("classes", "rows", "absent"), [(2, 50, ()), (5, 200, ()), (6, 30, (0, 5)), (3, 2, ()), (9, 12, (1,))]
)
def test_figures_are_those_of_scikit_learn(seed, classes, rows, absent):
    labels, probabilities = drawn(seed, classes, rows, absent)
    probabilities[:, list(absent[:1])] = 0  # the first absent class is never predicted either
    predicted = probabilities.argmax(1)
    matrix = metrics.confusion(labels, predicted, classes)
    assert (matrix == reference.confusion_matrix(labels, predicted, labels=range(classes))).all()
    assert metrics.accuracy(matrix) == pytest.approx(reference.accuracy_score(labels, predicted))
    assert metrics.f1_macro(matrix) == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    shares = np.clip(probabilities, 1e-12, None)
    expected = reference.log_loss(labels, shares / shares.sum(1, keepdims=True), labels=range(classes))
    assert metrics.log_loss(labels, shares / shares.sum(1, keepdims=True)) == pytest.approx(expected)


def test_per_class():
    labels, probabilities = drawn(1, 4, 60)
    predicted = probabilities.argmax(1)
    found = metrics.per_class(metrics.confusion(labels, predicted, 4))
    expected = reference.precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert found[name] == pytest.approx(values), name


def test_a_class_that_never_occurs_has_no_f1_and_one_never_predicted_has_zero():
    found = metrics.per_class(metrics.confusion([0, 0, 1], [0, 0, 0], 3))
    assert found["f1"][:2].tolist() == [0.8, 0.0]
    assert np.isnan(found["f1"][2])
    assert found["precision"].tolist() == [pytest.approx(2 / 3), 0.0, 0.0]
    assert np.isnan(found["recall"][2])


def test_figures_of_many_matrices_at_once():
    matrices = np.array([[[3, 1], [0, 2]], [[0, 0], [4, 0]]])
    assert metrics.accuracy(matrices).tolist() == [pytest.approx(5 / 6), 0.0]
    assert metrics.f1_macro(matrices).tolist() == [pytest.approx(metrics.f1_macro(m)) for m in matrices]


def test_log_loss_of_a_certain_error_is_finite():
    assert metrics.log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-12))


def test_softmax():
    logits = np.array([[1000.0, 1000.0], [0.0, np.log(3)], [-1000.0, 0.0]])
    assert metrics.softmax(logits) == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75], [0.0, 1.0]]))


def test_summary():
    found = metrics.summary(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["f1_macro"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4]).mean())


def test_reliability_counts_each_row_once():
    confidence, right = np.array([0.31, 0.35, 0.95, 1.0, 0.99]), np.array([True, False, True, True, False])
    mean, share, rows = metrics.reliability(confidence, right)
    assert mean == pytest.approx([0.33, 0.98])
    assert share == pytest.approx([0.5, 2 / 3])
    assert rows == [2, 3]


@pytest.mark.parametrize("absent", [(), (2,)])
def test_figures_of_rows_with_several_classes_are_those_of_scikit_learn(absent):
    rng = np.random.default_rng(0)
    labels, probabilities = rng.random((80, 5)) < 0.4, rng.random((80, 5))
    labels[:, list(absent)], probabilities[:, list(absent)] = False, 0.0
    predicted = probabilities >= 0.5
    assert predicted.any(1).sum() < 80  # some rows have no class that is as likely as not: there the likeliest counts
    predicted[np.arange(80), probabilities.argmax(1)] = True
    assert (metrics.chosen(probabilities) == predicted).all()
    found = metrics.several_summary(labels, probabilities)
    seen = [c for c in range(5) if c not in absent]
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    for name in ("macro", "micro"):
        expected = reference.f1_score(labels[:, seen], predicted[:, seen], average=name)
        assert found[f"f1_{name}"] == pytest.approx(expected)
    shares = np.clip(np.stack([1 - probabilities, probabilities], 2), 1e-12, 1)
    expected = np.mean([reference.log_loss(labels[:, c], shares[:, c], labels=[0, 1]) for c in range(5)])
    assert found["loss"] == pytest.approx(expected)


def test_certainty_is_the_chance_of_just_these_classes():
    told = metrics.certainty(np.array([[0.9, 0.8, 0.1], [0.4, 0.3, 0.0]]))
    assert told == pytest.approx([0.9 * 0.8 * 0.9, 0.4 * 0.7])


def test_sigmoid_of_large_numbers():
    with np.errstate(over="raise", invalid="raise"):
        assert metrics.sigmoid(np.array([-1000.0, 0.0, 1000.0])) == pytest.approx([0, 0.5, 1])


def test_ten_thousand_classes_need_no_square_of_them():
    import tracemalloc

    labels, probabilities = drawn(0, 10_000, 40)
    tracemalloc.start()
    found = metrics.summary(labels, probabilities)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6
    predicted = probabilities.argmax(1)
    assert found["f1_macro"] == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
