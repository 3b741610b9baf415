"""Precision, recall and F1: of each class, their mean over the classes (macro), and of all decisions together (micro).

Each is a ratio of counts that add up over the rows, so a row's influence on one is (its part of the numerator - ratio *
its part of the denominator) / denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation import metrics, statistics

Figure = dict[str, float | None]
# Numerator and denominator: how often a hit counts, a row of the class, a row that is predicted to be of it.
RATIOS = {"precision": (1, 0, 1), "recall": (1, 1, 0), "f1": (2, 1, 1)}


@dataclass(frozen=True)
class Counts:
    """Which rows are of which class, and predicted to be: sparse 0/1 matrices (rows, classes); 10,000 classes fit."""

    labels: Any
    predicted: Any
    hits: Any
    hit: Any  # their sums by class, (classes,)
    support: Any
    guessed: Any


def count(labels: Any, predicted: Any, classes: int) -> Counts:
    """Args: both (rows,) class numbers, or boolean (rows, classes)."""
    actual, told = _members(labels, classes), _members(predicted, classes)
    hits = actual.multiply(told).tocsr()
    return Counts(actual, told, hits, *(np.asarray(part.sum(0)).ravel() for part in (hits, actual, told)))


def _members(codes: Any, classes: int) -> Any:
    from scipy.sparse import csr_matrix

    if codes.ndim > 1:
        return csr_matrix(codes, dtype=float)
    return csr_matrix((np.ones(len(codes)), codes, np.arange(len(codes) + 1)), shape=(len(codes), classes))


def macro(counts: Counts, ratio: str, classes: Any = None) -> Figure:
    """The mean over classes; 0 where a class has none, as scikit-learn counts it.

    Args:
        classes: boolean (classes,); by default all that occur in the labels or the predictions.
    """
    used = counts.support + counts.guessed > 0 if classes is None else classes
    (times, own, told), number = RATIOS[ratio], used.sum()
    below = own * counts.support + told * counts.guessed
    inverse = np.where(used & (below > 0), 1 / np.maximum(below, 1), 0.0)
    rates = times * counts.hit * inverse
    influence = counts.hits @ (times * inverse) - own * (counts.labels @ (rates * inverse))
    influence -= told * (counts.predicted @ (rates * inverse))
    # an F1 of few rows lies low: the second term of the ratio's expansion, -F1 (1 - F1) / denominator
    aside = rates * (1 - rates) * inverse if ratio == "f1" else 0 * rates
    rows = number**2 / (times * inverse).sum() if (below[used] > 0).any() else 1.0
    value = float(rates[used].mean())
    return statistics.from_influence(
        value, influence / number, "counted", rows=rows, centre=value + float(aside[used].mean())
    )


def micro(counts: Counts, ratio: str) -> Figure:
    """Of all decisions of all rows; rows are what is drawn, for the decisions on one hang together."""
    times, own, told = RATIOS[ratio]
    hits, actual, guessed = (np.asarray(part.sum(1)).ravel() for part in (counts.hits, counts.labels, counts.predicted))
    below = own * actual + told * guessed
    value = times * hits.sum() / below.sum()
    influence = (times * hits - value * below) / below.sum()
    return statistics.from_influence(float(value), influence, "counted", rows=below.sum() / times)


def each(counts: Counts) -> dict[str, dict[str, Any]]:
    """Of each class precision, recall and F1 as `{"value", "low", "high"}` of arrays (classes,), nan where undefined.

    Intervals are Wilson's: of the rows of a class (those predicted to be) the hits are a share, and F1 is a monotone
    function of the share J of hits among all rows of a class or predicted to be: 2J / (1 + J).
    """
    either = counts.support + counts.guessed - counts.hit
    found = {}
    for name, rows in (("precision", counts.guessed), ("recall", counts.support), ("f1", either)):
        low, high = statistics.wilsons(counts.hit, rows)
        share = np.where(rows > 0, counts.hit / np.maximum(rows, 1), np.nan)
        ends = {"value": share, "low": np.minimum(low, share), "high": np.maximum(high, share)}
        found[name] = {k: 2 * v / (1 + v) for k, v in ends.items()} if name == "f1" else ends
    return found


def matthews(labels: Any, predicted: Any, classes: int) -> Figure:
    """Matthews' correlation of several classes (Gorodkin, 2004); undefined where either says one class alone."""
    rows = len(labels)
    support, guessed = (np.bincount(v, minlength=classes) / rows for v in (labels, predicted))
    right = labels == predicted
    covariance = right.mean() - support @ guessed
    spread, other = 1 - guessed @ guessed, 1 - support @ support
    if min(spread, other) < 1e-12:
        return dict(statistics.UNDEFINED)
    value = covariance / np.sqrt(spread * other)
    by_covariance = right + right.mean() - guessed[labels] - support[predicted] - 2 * covariance
    by_spread = 2 * (1 - guessed[predicted] - spread) / spread + 2 * (1 - support[labels] - other) / other
    influence = by_covariance / np.sqrt(spread * other) - value * by_spread / 2
    return statistics.from_influence(float(value), influence / rows, "signed", rows=rows)


def top(labels: Any, probabilities: Any) -> Any:
    """(rows,) how many classes stand before the right one; of equal ones the first, as for `argmax`."""
    places, columns = np.empty(len(labels), dtype=np.int64), np.arange(probabilities.shape[1])
    step = max(1, metrics.CELLS_AT_ONCE // probabilities.shape[1])
    for start in range(0, len(labels), step):
        block, own = probabilities[start : start + step], labels[start : start + step, None]
        chance = np.take_along_axis(block, own, 1)
        places[start : start + step] = ((block > chance) | ((block == chance) & (columns < own))).sum(1)
    return places


def confused(labels: Any, predicted: Any, most: int) -> list[tuple[int, int, int]]:
    """Pairs of a class and another that is told in its place, and in how many rows; the most frequent first."""
    wrong = labels != predicted
    pairs, rows = np.unique(np.stack([labels[wrong], predicted[wrong]], 1), axis=0, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:most]
    return [(int(pairs[i, 0]), int(pairs[i, 1]), int(rows[i])) for i in order]
