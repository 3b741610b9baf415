"""How well a score tells rows of one kind (inside) from those of another (outside); high is inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation import ranking
from toolkit.evaluation.statistics import LEVEL, RESAMPLES, bounded, wilson

Array = Any  # numpy array
Interval = dict[str, Any]
ACCEPTED = 0.95  # share of the rows inside that a threshold lets pass
TAIL = (1 - LEVEL) / 2
MOST_CELLS = 5000  # values that resampling tells apart


def figures(inside: Array, outside: Array, seed: int) -> dict[str, Interval]:
    """AUROC, AUPR and the FPR at 95% TPR (bootstrap of either side) with 95% intervals.

    auroc: the share of (inside, outside) pairs in order, ties counting half.
    aupr: average precision, outside being what is looked for.
    fpr95: the share of the rows outside that pass where 95% of those inside do; its interval is as wide as Wilson's at
        least, since the bootstrap's has no width where none passes, or all.
    """
    rng = np.random.default_rng(seed)
    counts = counted(inside, outside, MOST_CELLS)
    drawn = [rng.multinomial(side.sum(), side / side.sum(), size=RESAMPLES) for side in counts]
    exact = [side[None] for side in counted(inside, outside)]
    ranked, missed = ranking.figures(*_looked_for(inside, outside)), float(passed(*exact)[0])
    ends = [*np.quantile(passed(*drawn), [TAIL, 1 - TAIL]), *wilson(missed * len(outside), len(outside))]
    return {
        "auroc": ranked["auc"],
        "aupr": ranked["average_precision"],
        "fpr95": bounded(missed, min(ends), max(ends)),
    }


def auroc(inside: Array, outside: Array) -> float:
    """The AUROC alone."""
    return ranking.one(*_looked_for(inside, outside))["auc"][0]


def _looked_for(inside: Array, outside: Array) -> tuple[Array, Array]:
    """Rows outside as what a score is to find: which they are, and the score, (rows,) each."""
    return np.repeat([False, True], [len(inside), len(outside)]), -np.concatenate([inside, outside])


def counted(inside: Array, outside: Array, most: int | None = None) -> tuple[Array, Array]:
    """How many rows of either side have each score, ascending; close ones counted as one where they are too many."""
    distinct, codes = np.unique(np.concatenate([inside, outside]), return_inverse=True)
    cells = len(distinct)
    if most and cells > most:
        codes, cells = codes * most // cells, most
    return np.bincount(codes[: len(inside)], minlength=cells), np.bincount(codes[len(inside) :], minlength=cells)


def passed(inside: Array, outside: Array) -> Array:
    """The share outside that is accepted with at least `ACCEPTED` of those inside, (resamples,).

    Args:
        inside, outside: counts (resamples, cells), the lowest scores first.
    """
    lost, stopped = np.cumsum(inside, 1), np.cumsum(outside, 1)
    fits = lost <= (1 - ACCEPTED) * inside.sum(1, keepdims=True) + 1e-9
    best = np.where(fits, stopped, 0).max(1)
    return 1 - best / outside.sum(1)


def curve(inside: Array, outside: Array) -> tuple[list[float], list[float]]:
    """The ROC curve: shares outside and inside that pass, from none to all."""
    kept = [np.concatenate([[0], np.cumsum(side[::-1])]) / side.sum() for side in counted(inside, outside, 400)]
    return kept[1].tolist(), kept[0].tolist()
