"""Each method tells rows of no class from rows of the classes, and by what it says it does."""

import numpy as np
import pytest

from toolkit.evaluation.robustness import detection, outliers
from toolkit.evaluation.robustness.outliers import Seen

CENTRES = np.eye(3, 8) * 6
LAYER = np.eye(8, 3)


def rows(count: int, seed: int, centres: np.ndarray = CENTRES) -> tuple[Seen, np.ndarray]:
    """What a model with a linear last layer makes of rows around the centres, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(centres), count)
    features = centres[labels] + rng.normal(0, 1, (count, 8))
    return Seen(features @ LAYER - 1, features), labels


TRAIN, LABELS = rows(300, 0)
INSIDE, OUTSIDE = rows(200, 1)[0], rows(200, 2, np.ones((1, 8)) * 1.5)[0]


@pytest.mark.parametrize("name", list(outliers.scores(TRAIN, LABELS)))
def test_rows_from_elsewhere_score_less(name):
    score = outliers.scores(TRAIN, LABELS)[name]
    assert detection.auroc(score(INSIDE), score(OUTSIDE)) > 0.75


def test_without_features_or_labels_there_are_fewer_methods():
    assert [*outliers.scores(None, None)] == ["max_softmax", "energy"]
    assert [*outliers.scores(Seen(TRAIN.logits), LABELS)] == ["max_softmax", "energy"]
    assert [*outliers.scores(TRAIN, None)] == ["max_softmax", "energy", "knn_1", "knn_10"]


def test_logits_alone():
    logits = np.array([[2.0, 0.0, -1.0]])
    assert outliers.energy(Seen(logits)) == pytest.approx(np.log(np.exp(logits).sum()))
    assert outliers.max_softmax(Seen(logits)) == pytest.approx(np.exp(2) / np.exp(logits).sum())
    assert outliers.energy(Seen(logits, several=True)) == pytest.approx(np.log1p(np.exp(logits)).sum())
    assert outliers.max_softmax(Seen(logits, several=True)) == pytest.approx(1 / (1 + np.exp(-2)))


def test_mahalanobis_is_the_distance():
    means, precision = outliers.gaussians(TRAIN.features, LABELS)
    away = OUTSIDE.features[:, None] - means
    squares = np.einsum("rci,ij,rcj->rc", away, precision, away)
    assert outliers.mahalanobis(means, precision)(OUTSIDE) == pytest.approx(-squares.min(1))
    assert np.allclose(means, [TRAIN.features[c == LABELS].mean(0) for c in range(3)])


def test_neighbours_count_themselves_first():
    assert outliers.neighbours(TRAIN.features, 1)(TRAIN) == pytest.approx(1)
    assert (outliers.neighbours(TRAIN.features, 10)(TRAIN) < 1).all()
    few = outliers.neighbours(TRAIN.features[:3], 10)  # fewer rows than neighbours
    assert few(INSIDE).shape == (200,)


def test_fewer_rows_than_features():
    """A covariance of five rows in eight dimensions has no inverse of its own."""
    few, labels = rows(5, 3)
    for score in outliers.scores(few, labels).values():
        assert np.isfinite(score(OUTSIDE)).all()
