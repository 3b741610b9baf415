"""How well a score tells rows of one kind (inside) from those of another (outside); high is inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation.statistics import RESAMPLES, estimate, wilson

Array = Any  # numpy array
Interval = dict[str, Any]
ACCEPTED = 0.95  # share of the rows inside that a threshold lets pass
MOST_CELLS = 5000  # values that resampling tells apart
_Z = 1.959964


def figures(inside: Array, outside: Array, seed: int) -> dict[str, Interval]:
    """AUROC (DeLong), AUPR and the FPR at 95% TPR (bootstrap of either side) with 95% intervals.

    aupr: average precision, outside being what is looked for.
    fpr95: the share of the rows outside that pass where 95% of those inside do.
    """
    rng = np.random.default_rng(seed)
    counts = counted(inside, outside, MOST_CELLS)
    drawn = [rng.multinomial(side.sum(), side / side.sum(), size=RESAMPLES) for side in counts]
    exact = [side[None] for side in counted(inside, outside)]
    return {
        "auroc": auroc(inside, outside),
        "aupr": estimate(float(average_precision(*exact)[0]), average_precision(*drawn)),
        "fpr95": estimate(float(passed(*exact)[0]), passed(*drawn)),
    }


def auroc(inside: Array, outside: Array) -> Interval:
    """The share of (inside, outside) pairs in order, ties counting half, with DeLong's interval (1988).

    By midranks (Sun & Xu, 2014), on the logit scale, which keeps it within 0 and 1. Where the variance says nothing
    (all pairs in order, one row on a side) it is Wilson's for as many rows as the smaller side has.
    """
    from scipy.stats import rankdata

    m, n = len(inside), len(outside)
    ranks = rankdata(np.concatenate([inside, outside]))
    above = (ranks[:m] - rankdata(inside)) / n  # of each row inside: the share of those outside that it beats
    below = 1 - (ranks[m:] - rankdata(outside)) / m
    value = float(above.mean())
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n if min(m, n) > 1 else 0.0
    if variance == 0 or not 0 < value < 1:
        low, high = wilson(value * min(m, n), min(m, n))  # type: ignore[arg-type]
        return {"value": value, "low": min(low, value), "high": max(high, value)}
    centre, half = np.log(value / (1 - value)), _Z * np.sqrt(variance) / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return {"value": value, "low": float(low), "high": float(high)}


def counted(inside: Array, outside: Array, most: int | None = None) -> tuple[Array, Array]:
    """How many rows of either side have each score, ascending; close ones counted as one where they are too many."""
    distinct, codes = np.unique(np.concatenate([inside, outside]), return_inverse=True)
    cells = len(distinct)
    if most and cells > most:
        codes, cells = codes * most // cells, most
    return np.bincount(codes[: len(inside)], minlength=cells), np.bincount(codes[len(inside) :], minlength=cells)


def average_precision(inside: Array, outside: Array) -> Array:
    """(resamples,) for counts (resamples, cells); outside is found, the lowest scores first."""
    lost, found = np.cumsum(inside, 1), np.cumsum(outside, 1)
    precision = found / np.maximum(found + lost, 1)
    return (precision * outside).sum(1) / outside.sum(1)


def passed(inside: Array, outside: Array) -> Array:
    """(resamples,) the share outside that is accepted with at least `ACCEPTED` of those inside, likewise."""
    lost, stopped = np.cumsum(inside, 1), np.cumsum(outside, 1)
    fits = lost <= (1 - ACCEPTED) * inside.sum(1, keepdims=True) + 1e-9
    best = np.where(fits, stopped, 0).max(1)
    return 1 - best / outside.sum(1)


def curve(inside: Array, outside: Array) -> tuple[list[float], list[float]]:
    """The ROC curve: shares outside and inside that pass, from none to all."""
    kept = [np.concatenate([[0], np.cumsum(side[::-1])]) / side.sum() for side in counted(inside, outside, 400)]
    return kept[1].tolist(), kept[0].tolist()
