"""Pairs out of lists: entries that share a key, and entries that share a rare gram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from toolkit.data.near.index import cut, distinct, ranges

MOST = 128  # partners of an entry in one list, in `pairs`
_AT_ONCE = 1 << 20  # pairs
_PLACE = 31  # bits


def runs(keys: Any, ties: Any = None) -> tuple[Any, Any, Any]:
    """Entries in the order of their keys (uint32), then of `ties`; start and size of each run of two or more."""
    order = np.arange(len(keys)) if ties is None else np.argsort(ties, kind="stable")
    packed = np.sort(keys[order].astype(np.uint64) << np.uint64(32) | np.arange(len(keys), dtype=np.uint64))
    edges = np.flatnonzero(
        np.concatenate([[True], packed[1:] >> np.uint64(32) != packed[:-1] >> np.uint64(32), [True]])
    )
    sizes = np.diff(edges)
    ordered = (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return ordered if ties is None else order[ordered], edges[:-1][sizes > 1], sizes[sizes > 1]


def within(order: Any, starts: Any, sizes: Any) -> Iterator[tuple[Any, Any]]:
    """All pairs inside each run, (the smaller number, the larger)."""
    places = ranges(starts, sizes)
    behind = np.repeat(starts + sizes, sizes) - places - 1
    for first, last in cut(behind, _AT_ONCE):
        some, many = places[first:last], behind[first:last]
        a, b = order[np.repeat(some, many)], order[ranges(some + 1, many)]
        yield np.minimum(a, b), np.maximum(a, b)


def led(keys: Iterable[Any], crowd: Any, ties: Any) -> Iterator[tuple[Any, Any]]:
    """Table by table, the pairs (leader, other) of each run of items, the leader being first by `ties`.

    Args:
        keys: uint32 of the items, for each table.
        crowd: bit set of the tables in which an item stands among many: in the others it is passed over.
    """
    for table, row in enumerate(keys):
        items = np.flatnonzero(crowd >> np.uint64(table) & np.uint64(1))
        order, starts, sizes = runs(row[items], ties[items])
        yield np.repeat(items[order[starts]], sizes - 1), items[order[ranges(starts + 1, sizes - 1)]]


def posting(lists: Any, places: Any, begins: Any) -> Any:
    """Entries in lists, packed: list (32 bits at most), place of the entry, whether it looks for partners there."""
    packed = lists.astype(np.uint64) << np.uint64(_PLACE + 1) | places.astype(np.uint64) << np.uint64(1)
    return packed | begins.astype(np.uint64)


def pairs(postings: Any, reach: Any, short: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of places: each that begins with those behind it in its list, up to MOST, and before its `reach`.

    Args:
        short: bool for each place; set where there are more than MOST.
    """
    postings.sort()
    number = postings >> np.uint64(_PLACE + 1)
    edges = np.flatnonzero(np.concatenate([number[1:] != number[:-1], [True]])) + 1
    at = np.flatnonzero(postings & np.uint64(1))
    end = edges[np.searchsorted(edges, at, "right")]
    stop = np.minimum(end, at + 1 + MOST)
    del number
    places = (postings >> np.uint64(1) & np.uint64((1 << _PLACE) - 1)).astype(np.int64)
    long = np.flatnonzero(stop < end)
    short[places[at[long]][places[stop[long]] < reach[places[at[long]]]]] = True
    at, stop = at[stop > at + 1], stop[stop > at + 1]
    order = np.argsort(places[at], kind="stable")  # so that repeats of a pair come together
    at, stop = at[order], stop[order]
    for first, last in cut(stop - at, _AT_ONCE):
        counts = stop[first:last] - at[first:last] - 1
        left, right = np.repeat(places[at[first:last]], counts), places[ranges(at[first:last] + 1, counts)]
        fits = right < reach[left]
        packed = distinct(left[fits] << 32 | right[fits])
        yield packed >> 32, packed & 0xFFFFFFFF
