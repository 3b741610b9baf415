"""95% intervals of figures.

A figure `{"value", "low", "high"}` never lies outside of its interval; what is undefined is None, never a number.
Shares of rows have Wilson's interval. Any other figure has one from what each row adds to it (its influence): the sum
of squares is the figure's variance (the infinitesimal jackknife; Jaeckel, 1972; Efron, 1982), taken on a scale where
such figures lie like a normal distribution, with Student's quantile, since the variance of a few rows is uncertain
itself. Nothing is drawn, so nothing depends on a seed, and 100 classes cost a sort each. `scripts/bench/coverage.py`
holds these beside the bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95
Z = 1.959964  # of the normal distribution, at LEVEL
UNDEFINED: dict[str, float | None] = {"value": None, "low": None, "high": None}
# A scale on which a figure varies evenly: to it, back, and the slope of the first. Both shares lie between 0 and 1,
# "signed" and "difference" between -1 and 1.
_SHARE = (lambda v: np.log(v / (1 - v)), lambda x: 1 / (1 + np.exp(-x)), lambda v: 1 / (v * (1 - v)))
SCALES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "share": _SHARE,
    "counted": _SHARE,
    "signed": (np.arctanh, np.tanh, lambda v: 1 / (1 - v * v)),  # Fisher, 1921
    "positive": (np.log, np.exp, lambda v: 1 / v),
    "difference": (lambda v: v, lambda x: np.clip(x, -1, 1), lambda v: 1.0),
}
COUNTED = ("counted", "signed")  # figures of counts, whose variance follows from their value as a binomial share's does


def bounded(value: float | None, low: float, high: float) -> dict[str, float | None]:
    """A figure and its interval, which is made to hold it."""
    if value is None or not np.isfinite(value):
        return dict(UNDEFINED)
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}


def estimate(value: float, resampled: Any) -> dict[str, float | None]:
    """The interval from resampled values, by their percentiles (Efron, 1979); undefined ones are left out."""
    tail = (1 - LEVEL) / 2
    sound = np.asarray(resampled)[np.isfinite(resampled)]
    low, high = np.quantile(sound, [tail, 1 - tail]) if len(sound) else (value, value)
    return bounded(value, low, high)


def from_influence(
    value: float, influence: Any, scale: str, *, rows: float, centre: float | None = None
) -> dict[str, float | None]:
    """The interval from what each row adds to a figure.

    Student's degrees of freedom are those of a variance of values with this fourth moment (Satterthwaite, 1946): two
    rows that carry all of it count as two, however many others there are. Of figures of counts only what does not go
    with the figure itself is uncertain in the variance.

    Args:
        influence: (rows,), the figure's derivative by the weight of each row; they add up to zero.
        scale: one of `SCALES`.
        rows: that a share is taken of as if they were drawn one by one, where all are alike and nothing tells how much
            it varies (all are right: then the interval is Wilson's).
        centre: what the interval is put around, where the figure is known to lie aside of what it estimates.
    """
    from scipy.special import stdtrit

    centre = value if centre is None else centre
    to, back, slope = SCALES[scale]
    square = np.square(influence)
    variance = float(square.sum())
    if not np.isfinite(value):
        return dict(UNDEFINED)
    if variance < 1e-18:
        return alike(value, scale, rows)
    unsure = square - square.mean()
    if scale in COUNTED:
        unsure = unsure - influence * (unsure @ influence / variance)
    freedom = max(2.0, 2 * variance**2 / max(float(unsure @ unsure), 1e-300))
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * np.sqrt(variance) * slope(centre)
    with np.errstate(over="ignore"):  # of few rows: then the end is the scale's
        low, high = back(to(centre) - half), back(to(centre) + half)
    return bounded(value, low, high) if np.isfinite(high) else alike(value, scale, rows)


def alike(value: float, scale: str, rows: float) -> dict[str, float | None]:
    """Where rows tell no interval, as no row differs: Wilson's of a share, and none of what has no bound above.

    Around a difference what Wilson's leaves to rows of another kind, which for a difference of nothing is Tango's.
    """
    if scale == "positive":
        return {"value": float(value), "low": None, "high": None}
    if scale == "difference":
        unseen = wilson(0, rows)[1]
        return bounded(value, max(-1.0, value - unseen), min(1.0, value + unseen))
    low, high = wilson(((1 + value) / 2 if scale == "signed" else value) * rows, rows)
    return bounded(value, 2 * low - 1, 2 * high - 1) if scale == "signed" else bounded(value, low, high)


def mean(values: Any, scale: str = "positive") -> dict[str, float | None]:
    """The mean of a figure that each row has, (rows,)."""
    value = float(np.mean(values))
    return from_influence(value, (np.asarray(values) - value) / len(values), scale, rows=len(values))


def share(hits: int, rows: int) -> dict[str, float | None]:
    """A share with Wilson's interval; undefined where there are no rows."""
    return bounded(hits / rows, *wilson(hits, rows)) if rows else dict(UNDEFINED)


def wilson(hits: float, rows: float) -> tuple[float, float]:
    """The 95% interval of a share (Wilson, 1927): right for few rows and near 0 and 1 too, unlike the bootstrap's."""
    low, high = wilsons(np.array([hits]), np.array([rows]))
    return float(low[0]), float(high[0])


def wilsons(hits: Any, rows: Any) -> tuple[Any, Any]:
    """`wilson` of many shares; 0 to 1 where there are no rows."""
    some = np.where(rows > 0, rows, 1)
    rate, square = np.clip(hits / some, 0, 1), Z * Z / some
    centre, half = rate + square / 2, Z * np.sqrt(rate * (1 - rate) / some + square / some / 4)
    low, high = np.maximum(0.0, (centre - half) / (1 + square)), np.minimum(1.0, (centre + half) / (1 + square))
    return np.where(rows > 0, low, 0.0), np.where(rows > 0, high, 1.0)
