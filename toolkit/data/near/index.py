"""What is searched: an entry for each distinct text, keys by which entries meet, a test that decides on pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

import numpy as np

from toolkit import console

T = TypeVar("T")
R = TypeVar("R")
WORKERS = 4  # at most: NumPy lets go of the interpreter's lock, the Python around it does not


class Index(Protocol):
    """Made by a method. Entries are numbered in the order of their texts."""

    rows: Any  # the text of each entry, the first of those that are taken for the same
    entry: Any  # the entry of each text; -1: the text has no character and is near nothing
    keys: Any  # uint32 (tables, entries): entries with the same key in a table are candidates

    def __len__(self) -> int: ...

    def near(self, left: Any, right: Any) -> Any:
        """Which pairs of entries are near-duplicates."""

    def crowded(self, entries: Any, short: Any) -> Iterator[tuple[Any, Any]]:
        """Candidate pairs among entries of which many share a key.

        Args:
            short: bool for each entry; set for those that may have more partners than are proposed.
        """


def parallel(function: Callable[[T], R], items: Iterable[T], label: str = "") -> Iterator[tuple[T, R]]:
    """Each item with its result, in order; on several threads where there are several items."""
    items = list(items)
    threads = min(WORKERS, cores(), len(items))
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        results = pool.map(function, items) if pool else map(function, items)
        yield from zip(items, console.track(results, label, len(items)) if label else results, strict=True)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def first_of_equals(digests: Any, empty: Any) -> tuple[Any, Any]:
    """Collapses texts.

    Args:
        digests: (texts, words), the same for texts that are the same.
        empty: texts that are left out.

    Returns:
        The rows that are the first of their kind, ascending, and for each row its place among them, or -1.
    """
    order = np.lexsort(digests.T[::-1])
    ordered = digests[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(1)
    leader = np.empty(len(order), np.int64)
    leader[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    first = (leader == np.arange(len(leader))) & ~empty
    return np.flatnonzero(first), np.where(empty, -1, (np.cumsum(first) - 1)[leader])


def distinct(values: Any) -> Any:
    """The values, each once, ascending: np.unique without its hash table, which is slow."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def cut(costs: Any, most: int) -> Iterator[tuple[int, int]]:
    """Consecutive parts (start, stop) that cost at most so much each, or hold one item."""
    ends = np.cumsum(costs)
    start = 0
    while start < len(costs):
        limit = (ends[start - 1] if start else 0) + most
        stop = max(int(np.searchsorted(ends, limit, "right")), start + 1)
        yield start, stop
        start = stop


def ranges(starts: Any, counts: Any) -> Any:
    """starts[i], starts[i] + 1, … counts[i] numbers for each i, one after another."""
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
