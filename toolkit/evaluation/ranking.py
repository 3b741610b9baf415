"""How well a class's probability puts its rows before all others: AUC and average precision.

Each class is held against the rest. Both come from one sort a class, and so does what each row adds to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toolkit import console
from toolkit.evaluation import statistics

NAMES = ("auc", "average_precision")
SLOW = 20_000_000  # probabilities that take so long to sort that progress is shown


def measure(labels: Any, probabilities: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """AUC and average precision: the means over the classes, and of each class as arrays (nan where undefined).

    Classes count that some rows have and some have not. The mean's variance is that of the rows' influences added up
    over the classes, so that it holds what the classes' figures share. Of two classes the AUC is the second one's.

    Args:
        labels: class numbers (rows,), or boolean (rows, classes).
    """
    rows, classes = probabilities.shape
    own: Callable[[int], Any] = (lambda c: labels[:, c]) if labels.ndim > 1 else (lambda c: labels == c)
    support = labels.sum(0) if labels.ndim > 1 else np.bincount(labels, minlength=classes)
    defined = np.flatnonzero((support > 0) & (support < rows)).tolist()
    averaged = {"auc": [1] if labels.ndim == 1 and classes == 2 else defined, "average_precision": defined}
    each = {name: {end: np.full(classes, np.nan) for end in ("value", "low", "high")} for name in NAMES}
    sums = {name: np.zeros(rows) for name in NAMES}
    for c in console.track(defined, "ranking classes") if probabilities.size > SLOW else defined:
        found = one(own(c), probabilities[:, c])
        for name in NAMES:
            value, influence = found[name]
            for end, told in _figure(value, influence, [support[c]], rows).items():
                each[name][end][c] = told
            sums[name] += influence if c in averaged[name] else 0
    whole = {}
    for name in NAMES:
        used = averaged[name] if len(defined) else []
        value = float(each[name]["value"][used].mean()) if len(used) else np.nan
        whole[name] = _figure(value, sums[name] / max(len(used), 1), support[used], rows)
    return whole, each


def figures(positive: Any, score: Any) -> dict[str, dict[str, float | None]]:
    """AUC and average precision of one score.

    Args:
        positive: boolean (rows,), some of either; score: (rows,).
    """
    found = one(positive, score)
    return {name: _figure(*found[name], [positive.sum()], len(score)) for name in NAMES}


def _figure(value: float, influence: Any, support: Any, rows: int) -> dict[str, float | None]:
    """With its interval. Where all are in order, as many rows count as Newcombe (2006) says, 4 mn / (m + n), less 3.

    Less 3, since of two and of three rows a side by his number 0.51 and 0.61 were the least AUC, while two normal
    scores are in order by chance as often as 2.5% of the time down to 0.22 and 0.41 (now 0.21 and 0.44).
    """
    support = np.asarray(support, dtype=float)
    alike = 4 * len(support) ** 2 / (1 / support + 1 / (rows - support)).sum() - 3 if len(support) else 1.0
    return statistics.from_influence(value, influence, "share", rows=max(alike, 1.0))


def one(positive: Any, score: Any) -> dict[str, tuple[float, Any]]:
    """AUC and average precision of one score, each with its influence (rows,); equal scores count half, or together.

    AUC: the mean of the placements of either side, whose variances are DeLong's (DeLong et al., 1988), from mid-ranks
    in one sort (Sun & Xu, 2014). Average precision: the mean of the precision at each positive, as scikit-learn has it;
    a positive's weight moves the mean itself, and each row's weight the precision at all positives below it.

    Args:
        positive: boolean (rows,), some of either; score: (rows,).
    """
    order = np.argsort(score)  # in any order among equals: they are one group
    sorted_score, hit = score[order], positive[order].astype(float)
    first = np.concatenate([[True], sorted_score[1:] > sorted_score[:-1]])
    edges, group = np.flatnonzero(first), np.cumsum(first) - 1  # groups of equal scores, from the lowest
    hits = np.add.reduceat(hit, edges)
    misses = np.diff(np.append(edges, len(score))) - hits
    m, n = hits.sum(), misses.sum()
    below, above = (np.cumsum(misses) - misses / 2) / n, 1 - (np.cumsum(hits) - hits / 2) / m
    auc = float(hits @ below / m)
    placed = np.where(hit > 0, (below[group] - auc) * _unbiased(m), (above[group] - auc) * _unbiased(n))
    reached = np.cumsum((hits + misses)[::-1])[::-1]  # rows at this score or above
    precision = np.cumsum(hits[::-1])[::-1] / reached
    average = float(hits @ precision / m)
    gain, loss = np.cumsum(hits / reached), np.cumsum(hits * precision / reached)
    moved = (hit * (precision - average + gain)[group] - loss[group]) / m
    back = np.empty(len(score), dtype=np.int64)
    back[order] = np.arange(len(score))
    return {"auc": (auc, placed[back]), "average_precision": (average, moved[back])}


def _unbiased(count: float) -> float:
    """1 / count, and what makes a sum of squares of deviations that of an unbiased variance."""
    return float(np.sqrt(count / max(count - 1, 1)) / count)


def label_ranking(labels: Any, probabilities: Any) -> Any:
    """Label ranking average precision of each row (Schapire & Singer, 2000), (rows,).

    It is, on average over a row's classes, the share of right ones among those as likely or likelier.

    Args:
        labels: boolean (rows, classes), at least one a row.
    """
    out = np.empty(len(labels))
    for i, (own, score) in enumerate(zip(labels, probabilities, strict=True)):
        all_, mine = np.sort(score), np.sort(score[own])
        before = len(all_) - np.searchsorted(all_, mine)
        out[i] = ((len(mine) - np.searchsorted(mine, mine)) / before).mean()
    return out
