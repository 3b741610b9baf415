"""Figures of a classifier from its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any  # numpy array


def confusion(labels: Array, predicted: Array, classes: int) -> Array:
    """Counts (classes, classes): rows are the true class, columns the predicted one."""
    flat = np.bincount(np.asarray(labels) * classes + np.asarray(predicted), minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(matrix: Array) -> Array:
    """Share on the diagonal; `matrix` is (..., classes, classes)."""
    return np.trace(matrix, axis1=-2, axis2=-1) / matrix.sum((-2, -1))


def per_class(matrix: Array) -> dict[str, Array]:
    """Precision, recall, F1 (each (..., classes)); 0 where a class is never predicted, nan where it never occurs."""
    hit = np.diagonal(matrix, axis1=-2, axis2=-1).astype(float)
    support, guessed = matrix.sum(-1), matrix.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hit / support
        precision = np.where(guessed > 0, hit / guessed, 0.0)
        f1 = np.where(support + guessed > 0, 2 * hit / (support + guessed), np.nan)
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}


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
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    used = counts > 0
    means = [np.bincount(place, weights=v, minlength=bins)[used] / counts[used] for v in (confidence, right)]
    return means[0].tolist(), means[1].tolist(), counts[used].tolist()


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def summary(labels: Array, probabilities: Array) -> dict[str, float]:
    """Point figures for watching a training."""
    matrix = confusion(labels, probabilities.argmax(-1), probabilities.shape[-1])
    return {
        "accuracy": float(accuracy(matrix)),
        "f1_macro": float(f1_macro(matrix)),
        "loss": log_loss(labels, probabilities),
    }
