"""Two models' errors: on the same rows, or in the same slice of other rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation.statistics import wilson

WORTH = 0.1  # a measure is not worth keeping that takes less than this share of a slice's errors away


def counts(before: Any, after: Any) -> dict[str, int]:
    """Errors of two models on the same rows, boolean (rows,) each."""
    return {
        "fixed": int((before & ~after).sum()),
        "broken": int((~before & after).sum()),
        "common": int((before & after).sum()),
        "right_in_both": int((~before & ~after).sum()),
    }


def unpaired(before: tuple[int, int], after: tuple[int, int]) -> dict[str, Any]:
    """Difference of two error rates, (errors, rows) each, of other rows (Newcombe, 1998, method 10)."""
    (p, (p_low, p_high)), (q, (q_low, q_high)) = ((k / n, wilson(k, n)) for k, n in (before, after))
    low = q - p - float(np.hypot(q - q_low, p_high - p))
    high = q - p + float(np.hypot(q_high - q, p - p_low))
    return {"value": q - p, "low": low, "high": high}


def verdict(rate_before: float, difference: dict[str, Any]) -> str:
    """What a measure has done to a slice.

    "keep": fewer errors, and the interval says so; "discard": more, or at best a tenth less; else "undecided".
    """
    if difference["high"] < 0:
        return "keep"
    return "discard" if difference["low"] > -WORTH * rate_before else "undecided"
