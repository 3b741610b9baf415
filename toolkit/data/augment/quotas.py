"""How many children each row is to have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash


def copies(chosen: Any, count: int) -> Any:
    """`count` children for each chosen row (bool array)."""
    return np.where(chosen, count, 0)


def to_ratio(ids: Sequence[str], codes: Any, chosen: Any, ratio: float, most: int, seed: int, have: Any) -> Any:
    """So many children that no class has less than 1 / ratio of the largest class's rows.

    Args:
        codes: class number of each row. chosen: bool array, rows that may have children.
        most: children that a row may have at most.
        have: (classes,) rows of each class, children counted in.
    """
    quota = np.zeros(len(codes), dtype=np.int64)
    least = math.ceil(have.max() / ratio)
    for code in np.flatnonzero(have < least):
        rows = np.flatnonzero((codes == code) & chosen)
        if len(rows):
            lacking = min(least - have[code], most * len(rows))
            quota[rows] = lacking // len(rows)
            quota[drawn(ids, rows, seed)[: lacking % len(rows)]] += 1
    return quota


def at_most(quota: Any, ids: Sequence[str], codes: Any, limit: int, seed: int) -> Any:
    """The quota cut down to `limit` children in all, of each class the same share."""
    total = int(quota.sum())
    if total <= limit:
        return quota
    of_class = np.bincount(codes, weights=quota).astype(np.int64)
    exact = of_class * limit / total
    kept = np.floor(exact).astype(np.int64)
    kept[np.argsort(kept - exact, kind="stable")[: limit - kept.sum()]] += 1
    out = np.zeros_like(quota)
    for code in np.flatnonzero(kept):
        rows = drawn(ids, np.flatnonzero((codes == code) & (quota > 0)), seed)
        left = int(kept[code])
        while left:  # one more for each row in turn
            open_ = rows[out[rows] < quota[rows]][:left]
            out[open_] += 1
            left -= len(open_)
    return out


def drawn(ids: Sequence[str], rows: Any, seed: int) -> Any:
    """The rows in a random order that their ids decide."""
    return rows[np.argsort([xxhash.xxh3_64_intdigest(f"{seed}:{ids[row]}".encode()) for row in rows], kind="stable")]
