"""Fewer rows of many."""

from __future__ import annotations


def spread(count: int, most: int) -> list[int]:
    """Places of at most `most` of `count` rows, evenly spaced: of sorted rows, all that they are sorted by is seen."""
    kept = min(count, most)
    return [i * count // kept for i in range(kept)]
