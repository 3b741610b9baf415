"""Figures of a classifier from its probabilities, of one class a row or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any  # numpy array
THRESHOLD = 0.5  # of a class's probability, where rows have several
CELLS_AT_ONCE = 20_000_000  # numbers of a table that is made for a moment


def confusion(labels: Array, predicted: Array, classes: int) -> Array:
    """Counts (classes, classes): rows are the true class, columns the predicted one."""
    flat = np.bincount(np.asarray(labels) * classes + np.asarray(predicted), minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(matrix: Array) -> Array:
    """Share on the diagonal; `matrix` is (..., classes, classes)."""
    return np.trace(matrix, axis1=-2, axis2=-1) / matrix.sum((-2, -1))


def per_class(matrix: Array) -> dict[str, Array]:
    """Precision, recall, F1 (each (..., classes)); 0 where a class is never predicted, nan where it never occurs."""
    return _rates(np.diagonal(matrix, axis1=-2, axis2=-1).astype(float), matrix.sum(-1), matrix.sum(-2))


def _rates(hit: Array, support: Array, guessed: Array) -> dict[str, Array]:
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hit / support
        precision = np.where(guessed > 0, hit / guessed, 0.0)
    return {"precision": precision, "recall": recall, "f1": f1(hit, support, guessed), "support": support}


def f1_macro(matrix: Array) -> Array:
    """Mean F1 over the classes that occur in the labels or the predictions (as scikit-learn's `f1_score`)."""
    return np.nanmean(per_class(matrix)["f1"], axis=-1)


def log_loss(labels: Array, probabilities: Array) -> float:
    """Mean negative log likelihood of the true class, natural logarithm."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def reliability(confidence: Array, right: Array, bins: int = 10) -> tuple[list[float], list[float], list[int]]:
    """Mean confidence, share that is right, and rows, of each of `bins` equal bins of confidence that has rows.

    Args:
        confidence: of the predicted class, (rows,).
        right: whether the prediction is, boolean (rows,).
    """
    place = bin_of(confidence, bins)
    counts = np.bincount(place, minlength=bins)
    used = counts > 0
    means = [np.bincount(place, weights=v, minlength=bins)[used] / counts[used] for v in (confidence, right)]
    return means[0].tolist(), means[1].tolist(), counts[used].tolist()


def bin_of(confidence: Array, bins: int) -> Array:
    """The number of each confidence's bin, (rows,)."""
    return np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def sigmoid(logits: Array) -> Array:
    """The probability of each class by itself."""
    return np.exp(-np.logaddexp(0, -logits))


def summary(labels: Array, probabilities: Array) -> dict[str, float]:
    """Point figures for watching a training; counted by class, since a confusion of 10,000 classes takes 800 MB."""
    predicted, classes = probabilities.argmax(-1), probabilities.shape[-1]
    right = labels == predicted
    hit, support, guessed = (np.bincount(v, minlength=classes) for v in (labels[right], labels, predicted))
    return {
        "accuracy": float(right.mean()),
        "f1_macro": float(np.nanmean(f1(hit, support, guessed))),
        "loss": log_loss(labels, probabilities),
    }


def several_per_class(labels: Array, predicted: Array) -> dict[str, Array]:
    """`per_class` of rows with several classes; both boolean (rows, classes)."""
    hit, support, guessed = (part.sum(0) for part in (labels & predicted, labels, predicted))
    return _rates(hit, support, guessed)


def f1(hit: Array, support: Array, guessed: Array) -> Array:
    """F1 from counts of any shape; nan where a class neither occurs nor is predicted."""
    with np.errstate(invalid="ignore"):
        return np.where(support + guessed > 0, 2 * hit / (support + guessed), np.nan)


def chosen(probabilities: Array) -> Array:
    """Of rows with several classes those that are predicted, boolean (rows, classes).

    Each that is as likely as not, and at least the likeliest: no row of a dataset is without a class.
    """
    out = probabilities >= THRESHOLD
    out[np.arange(len(out)), probabilities.argmax(-1)] = True
    return out


def predicted(probabilities: Array, several: bool) -> Array:
    """The likeliest class of each row (rows,); of several classes a row the `chosen` ones."""
    return chosen(probabilities) if several else probabilities.argmax(1)


def coded(labels: Sequence[Any], classes: int, several: bool) -> Array:
    """Labels as predictions are: class numbers (rows,), or lists of them as booleans (rows, classes)."""
    return several_hot(labels, classes) if several else np.asarray(labels)


def agree(one: Array, other: Array) -> Array:
    """Whether both say the same of a row, in all its classes, boolean (rows,)."""
    same = one == other
    return same.all(1) if same.ndim > 1 else same


def certainty(probabilities: Array) -> Array:
    """(rows,) how likely it is that just the chosen classes are a row's, each taken by itself."""
    return np.where(chosen(probabilities), probabilities, 1 - probabilities).prod(-1)


def several_hot(labels: Sequence[Sequence[int]], classes: int) -> Array:
    """Lists of class numbers as booleans (rows, classes)."""
    out = np.zeros((len(labels), classes), dtype=bool)
    for row, codes in zip(out, labels, strict=True):
        row[list(codes)] = True
    return out


def several_summary(labels: Array, probabilities: Array) -> dict[str, float]:
    """Point figures of rows with several classes: accuracy counts a row whose classes are all right and no other.

    Args:
        labels: boolean (rows, classes), as the probabilities.
    """
    predicted = chosen(probabilities)
    hit, support, guessed = (part.sum(0) for part in (labels & predicted, labels, predicted))
    likely = np.where(labels, probabilities, 1 - probabilities)
    return {
        "accuracy": float((labels == predicted).all(1).mean()),
        "f1_macro": float(np.nanmean(f1(hit, support, guessed))),
        "f1_micro": float(np.nan_to_num(f1(hit.sum(), support.sum(), guessed.sum()))),
        "loss": float(-np.log(np.clip(likely, 1e-12, 1.0)).mean()),
    }
