"""Two classifiers on the same rows, told by the rows that only one of them gets right.

Everywhere `fixed` are those that only the model gets right, `broken` those that only the baseline does; of `score` and
`interval` they may be numpy arrays. The difference is the model's accuracy less the baseline's.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

LEVEL = 0.95
ALPHA = 0.05
POWER = 0.8
MOST_ROWS = 10**9  # beyond, no number of rows is told
_HALVINGS = 50
_NORMAL = NormalDist()


def mcnemar(fixed: int, broken: int) -> float:
    """The mid-p of McNemar's test that neither is more often right, two-sided.

    Exact but for half of the observed table's own probability: it keeps its level where the exact test wastes it
    (Fagerland, Lydersen & Laake, 2013, The McNemar test for binary matched-pairs data, BMC Medical Research
    Methodology 13:91).
    """
    from scipy.stats import binom

    few, discordant = min(fixed, broken), fixed + broken
    return float(min(1.0, 2 * binom.cdf(few, discordant, 0.5) - binom.pmf(few, discordant, 0.5)))


def score(fixed: Any, broken: Any, rows: Any, difference: Any) -> Any:
    """Tango's statistic: how many standard errors the observed difference lies above `difference`.

    The error is that under the likeliest table of just this difference (Tango, 1998, Statistics in Medicine
    17:891-908), so that it is sound where there are few discordant rows or none.
    """
    a = 2 * rows
    b = (a - fixed + broken) * difference - fixed - broken
    c = -broken * difference * (1 - difference)
    likeliest = (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b) / (2 * a)
    variance = rows * (2 * likeliest + difference * (1 - difference))
    return (fixed - broken - rows * difference) / np.sqrt(np.maximum(variance, 1e-12))


def interval(fixed: Any, broken: Any, rows: Any, level: float = LEVEL) -> tuple[Any, Any]:
    """Low and high end of the difference: what Tango's statistic does not reject.

    Recommended for samples of all sizes by Fagerland, Lydersen & Laake (2014, Statistics in Medicine 33:2850-2875); the
    bootstrap's would be one point where no row is discordant.
    """
    z = _NORMAL.inv_cdf((1 + level) / 2)
    observed = (np.asarray(fixed) - broken) / rows
    ends = []
    for side in (-1, 1):
        near, far = observed.astype(float), np.full(observed.shape, float(side))
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            inside = abs(score(fixed, broken, rows, middle)) < z
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        ends.append(near)
    return ends[0], ends[1]


def difference(before: Any, after: Any) -> dict[str, float]:
    """The share of rows that hold after, less that before, with its interval; boolean (rows,) each, the same rows."""
    before, after = np.asarray(before), np.asarray(after)
    gained, lost, rows = int((after & ~before).sum()), int((before & ~after).sum()), len(before)
    low, high = interval(gained, lost, rows)
    return {"value": (gained - lost) / rows, "low": float(low), "high": float(high)}


def equivalence(fixed: int, broken: int, rows: int, margin: float) -> float:
    """The p of two one-sided score tests (TOST) that the difference lies beyond `margin` on either side."""
    if not margin:
        return 1.0
    above, below = (float(score(fixed, broken, rows, side * margin)) for side in (-1, 1))
    return max(_NORMAL.cdf(-above), _NORMAL.cdf(below))


def verdict(fixed: int, broken: int, rows: int, margin: float) -> str:
    """`equivalent` where the difference is shown to be within the margin; else `better` or `worse` where one is shown;
    else `undecided`.

    The margin says which differences do not matter, so it is asked first. A difference is shown where McNemar's test
    and the interval agree.
    """
    if equivalence(fixed, broken, rows, margin) < ALPHA:
        return "equivalent"
    low, high = interval(fixed, broken, rows)
    if mcnemar(fixed, broken) < ALPHA and not low <= 0 <= high:
        return "better" if fixed > broken else "worse"
    return "undecided"


def more_rows(fixed: int, broken: int, rows: int, margin: float) -> int | None:
    """Rows beyond these at which a verdict is found four times in five, if the difference is as observed.

    The power of McNemar's test is that of Connor (1987, Biometrics 43:207-211), that of the equivalence test that of
    Liu, Hsueh, Hsieh & Chen (2002, Statistics in Medicine 21:231-245); the one that needs fewer rows counts. One
    discordant row is added to those observed, since none observed does not mean none. None: more than one can have.
    """
    discordant = (fixed + broken + 1) / (rows + 2)
    difference = abs(fixed - broken) / rows
    deviation = sqrt(max(discordant - difference**2, 1e-12))
    two_sided, one_sided = _NORMAL.inv_cdf(1 - ALPHA / 2), _NORMAL.inv_cdf(1 - ALPHA)

    def enough(n: int) -> bool:
        root = sqrt(n)
        shown = _NORMAL.cdf((difference * root - two_sided * sqrt(discordant)) / deviation)
        sides = (_NORMAL.cdf((margin + s * difference) * root / deviation - one_sided) for s in (-1, 1))
        return max(shown, sum(sides) - 1) >= POWER

    if not enough(MOST_ROWS):
        return None
    low, high = rows, MOST_ROWS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high - rows
