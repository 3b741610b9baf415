"""Selective prediction: how much less wrong a model is where it may leave out the rows that it is least sure of."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation.statistics import RESAMPLES, bounded, estimate, share, wilson

Array = Any  # numpy array
COVERAGES = (80, 90)  # percent of the rows that are answered
MOST_CELLS = 2000  # confidences that resampling tells apart
POINTS = 100  # of the curve


def measure(confidence: Array, right: Array, seed: int) -> dict[str, Any]:
    """AURC and its excess with bootstrap intervals; accuracy and least confidence at each of `COVERAGES` (Wilson).

    aurc: the mean risk (share of errors) over all coverages (Geifman & El-Yaniv, 2017); excess_aurc: less that of the
    best order of the same answers (Geifman et al., 2019). Rows of one confidence are taken in any order, in the mean.

    Args:
        confidence: of what is predicted, (rows,); right: whether that is, boolean (rows,).
    """
    rng = np.random.default_rng(seed)
    rows, errors = _cells(confidence, right, MOST_CELLS)
    shares = np.concatenate([rows - errors, errors]) / rows.sum()
    drawn = rng.multinomial(rows.sum(), shares, size=RESAMPLES)
    hits, misses = np.split(drawn, 2, axis=1)
    exact = [part[None] for part in _cells(confidence, right)]
    out: dict[str, Any] = {
        "aurc": estimate(float(aurc(*exact)[0]), aurc(hits + misses, misses)),
        "excess_aurc": estimate(float(excess(*exact)[0]), excess(hits + misses, misses)),
    }
    if not errors.any():  # no resample has one either, but rows that were not seen may be wrong
        out = dict.fromkeys(out, bounded(0.0, 0.0, wilson(0, len(right))[1]))
    order = np.argsort(-confidence, kind="stable")
    for percent in COVERAGES:
        kept = order[: max(1, round(percent / 100 * len(order)))]
        out[f"accuracy_at_{percent}"] = share(int(right[kept].sum()), len(kept))
        out[f"confidence_at_{percent}"] = float(confidence[kept[-1]])
    return out


def aurc(rows: Array, errors: Array) -> Array:
    """(resamples,) for counts (resamples, cells) of rows and of errors among them, the surest cell first.

    The sum over a cell of the risk after each of its rows, its errors spread evenly, has a closed form of digammas.
    """
    from scipy.special import digamma

    before, wrong = np.cumsum(rows, 1) - rows, np.cumsum(errors, 1) - errors
    rate = errors / np.maximum(rows, 1)
    steps = digamma(before + rows + 1) - digamma(before + 1)
    return (errors + (wrong - rate * before) * steps).sum(1) / rows.sum(1)


def excess(rows: Array, errors: Array) -> Array:
    """(resamples,) `aurc` less that of the order with all errors last."""
    wrong = errors.sum(1, keepdims=True)
    right = rows.sum(1, keepdims=True) - wrong
    best = aurc(np.concatenate([right, wrong], 1), np.concatenate([np.zeros_like(wrong), wrong], 1))
    return aurc(rows, errors) - best


def curve(confidence: Array, right: Array) -> tuple[list[float], list[float]]:
    """Coverage and risk, at most `POINTS` of them."""
    rows, errors = (np.cumsum(part) for part in _cells(confidence, right))
    at = np.unique(np.linspace(0, len(rows) - 1, POINTS).round().astype(int))
    return (rows[at] / rows[-1]).tolist(), (errors[at] / rows[at]).tolist()


def _cells(confidence: Array, right: Array, most: int | None = None) -> tuple[Array, Array]:
    """Rows and errors of each confidence, the highest first; close ones as one where they are too many."""
    distinct, codes = np.unique(-np.asarray(confidence), return_inverse=True)
    cells = len(distinct)
    if most and cells > most:
        codes, cells = codes * most // cells, most
    return np.bincount(codes, minlength=cells), np.bincount(codes[~right], minlength=cells)
