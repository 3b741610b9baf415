"""Intervals by the bootstrap (Efron, 1979), percentile method, seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from toolkit.evaluation import metrics

RESAMPLES = 1000
LEVEL = 0.95
_CELLS_AT_ONCE = 20_000_000


def estimate(value: float, resampled: Any) -> dict[str, float | None]:
    """`{"value", "low", "high"}`, the value never outside; a figure that is undefined is None, not a number."""
    if value is None or not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    tail = (1 - LEVEL) / 2
    sound = np.asarray(resampled)[np.isfinite(resampled)]
    low, high = np.quantile(sound, [tail, 1 - tail]) if len(sound) else (value, value)
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}


def from_confusion(matrix: Any, figures: Mapping[str, Callable[[Any], Any]], seed: int) -> dict[str, dict[str, Any]]:
    """Figures of a confusion matrix with intervals.

    Resampling rows is resampling the cells of the matrix from a multinomial, which is exact and needs no rows.
    """
    rng = np.random.default_rng(seed)
    classes, total = len(matrix), int(matrix.sum())
    share = matrix.ravel() / total
    at_once = max(1, _CELLS_AT_ONCE // matrix.size)
    drawn: dict[str, list[Any]] = {name: [] for name in figures}
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        sample = rng.multinomial(total, share, size=count).reshape(count, classes, classes)
        for name, figure in figures.items():
            drawn[name].append(figure(sample))
    return {name: estimate(float(figure(matrix)), np.concatenate(drawn[name])) for name, figure in figures.items()}


def auc(labels: Any, probabilities: Any, seed: int) -> dict[str, Any]:
    """One-vs-rest AUC, mean over the classes that occur (two classes: of the second); undefined with one class alone.

    The rows' weights are resampled; each class's scores are sorted once.
    """
    labels, rng = np.asarray(labels), np.random.default_rng(seed)
    classes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    defined = [c for c in classes if 0 < (labels == c).sum() < len(labels)]
    if not defined:
        return estimate(float("nan"), [])
    whole = np.ones((1, len(labels)))
    sorters = [_sorted(labels == c, probabilities[:, c]) for c in defined]
    value = float(np.mean([_weighted_auc(s, whole)[0] for s in sorters]))
    at_once = max(1, _CELLS_AT_ONCE // len(labels))
    drawn = []
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        weights = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=count)
        drawn.append(_mean_of_finite(np.array([_weighted_auc(s, weights) for s in sorters])))
    return estimate(value, np.concatenate(drawn))


def _mean_of_finite(values: Any) -> Any:
    """Means over the first axis, nan where nothing is finite (`nanmean` would warn)."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(finite, values, 0).sum(0) / finite.sum(0)


def _sorted(positive: Any, score: Any) -> tuple[Any, Any, Any]:
    order = np.argsort(score, kind="stable")
    edges = np.flatnonzero(np.concatenate([[True], np.diff(score[order]) > 0]))
    return order, positive[order], edges


def _weighted_auc(sorted_scores: tuple[Any, Any, Any], weights: Any) -> Any:
    """AUC under row weights (resamples, rows): share of (positive, negative) pairs in order, ties counting half."""
    order, positive, edges = sorted_scores
    weights = weights[:, order]
    hits = np.add.reduceat(np.where(positive, weights, 0), edges, axis=1)
    misses = np.add.reduceat(np.where(positive, 0, weights), edges, axis=1)
    below = np.cumsum(misses, axis=1) - misses / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (hits * below).sum(1) / (hits.sum(1) * misses.sum(1))


def paired_difference(before: Any, after: Any, seed: int) -> dict[str, Any]:
    """Mean of `after - before` over the same rows, with its interval."""
    difference = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    values, counts = np.unique(difference, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(difference), counts / len(difference), size=RESAMPLES) @ values / len(difference)
    return estimate(float(difference.mean()), drawn)


def wilson(hits: int, rows: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95% interval of a share (Wilson, 1927): right for few rows and near 0 and 1 too, unlike the bootstrap's."""
    if not rows:
        return 0.0, 1.0
    rate, square = hits / rows, z * z / rows
    centre, half = rate + square / 2, z * np.sqrt(rate * (1 - rate) / rows + square / rows / 4)
    return max(0.0, float((centre - half) / (1 + square))), min(1.0, float((centre + half) / (1 + square)))


def quality_of_several(labels: Any, probabilities: Any, seed: int) -> dict[str, Any]:
    """Rows of several classes: the share whose classes are all right (Wilson), macro and micro F1 (bootstrap).

    Args:
        labels: boolean (rows, classes), as the probabilities.
    """
    predicted = metrics.chosen(probabilities)
    right, rows = int((labels == predicted).all(1).sum()), len(labels)
    low, high = wilson(right, rows)
    counted = np.concatenate([labels & predicted, labels, predicted], axis=1).astype(np.float32)
    rng = np.random.default_rng(seed)
    at_once = max(1, min(RESAMPLES, _CELLS_AT_ONCE // rows))
    sums = [
        rng.multinomial(rows, np.full(rows, 1 / rows), size=min(at_once, RESAMPLES - start)).astype(np.float32)
        @ counted
        for start in range(0, RESAMPLES, at_once)
    ]
    drawn = np.concatenate(sums).reshape(RESAMPLES, 3, -1).astype(float).swapaxes(0, 1)
    point = metrics.several_summary(labels, probabilities)
    resampled = {
        "f1_macro": _mean_of_finite(metrics.f1(*drawn).T),
        "f1_micro": metrics.f1(*drawn.sum(-1)),
    }
    figures = {name: estimate(point[name], values) for name, values in resampled.items()}
    return {"accuracy": {"value": right / rows, "low": low, "high": high}, **figures}


def quality(labels: Any, probabilities: Any, seed: int) -> dict[str, Any]:
    """Accuracy (Wilson's interval), macro F1 and AUC (bootstrap) with 95% intervals."""
    matrix = metrics.confusion(labels, probabilities.argmax(1), probabilities.shape[1])
    right, rows = int(np.trace(matrix)), int(matrix.sum())
    low, high = wilson(right, rows)
    figures = from_confusion(matrix, {"f1_macro": metrics.f1_macro}, seed)
    accuracy = {"value": right / rows, "low": low, "high": high}
    return {"accuracy": accuracy, **figures, "auc": auc(labels, probabilities, seed)}
