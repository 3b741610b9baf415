"""From an index to the near pairs: all of them where few entries share a key, enough of them where many do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.near import lists
from toolkit.data.near.index import Index, distinct, ranges

ALL = 512  # entries in all: every pair is checked
FEW = 32  # entries that share a key: all their pairs are checked
FAMILY = 8192  # entries that crowds connect: all their pairs are checked where some would be missed
ROUNDS, LITTLE = 64, 0.05  # at most so many, and none after one of which less than this share came to something
_SOME = 1 << 16  # pairs that are checked between two looks at what they connect
_ONE = np.uint64(1)


class Search:
    """The near pairs of an index, as far as they were asked for, and how many pairs were checked."""

    def __init__(self, index: Index, label: str = "") -> None:
        self.index, self.checked = index, 0
        self.crowd = np.zeros(len(index), np.uint64)  # bit set: the tables in which an entry stands among many
        self.found = [np.zeros((0, 2), np.int64)]
        if len(index) <= ALL:
            self.check(*np.triu_indices(len(index), 1))
            return
        for table in console.track(range(len(index.keys)), label):
            order, starts, sizes = lists.runs(index.keys[table])
            many = sizes > FEW
            self.crowd[order[ranges(starts[many], sizes[many])]] |= _ONE << np.uint64(table)
            for left, right in lists.within(order, starts[~many], sizes[~many]):
                fresh = self._fresh(table, left, right)
                self.check(left[fresh], right[fresh])

    @property
    def entry(self) -> Any:
        """The same number for texts that are taken for the same (of equal folds), -1 for one without a character."""
        return self.index.entry

    def again(self) -> Search:
        """A search that begins where this one stands."""
        other = copy(self)
        other.found = list(self.found)
        return other

    def _fresh(self, table: int, left: Any, right: Any) -> Any:
        """Pairs that no earlier table proposed."""
        fresh, keys = np.ones(len(left), bool), self.index.keys
        for earlier in range(table):
            met = keys[earlier, left] == keys[earlier, right]
            fresh &= ~met | (self.crowd[left] >> np.uint64(earlier) & _ONE > 0)
        return fresh

    def check(self, left: Any, right: Any) -> tuple[Any, Any]:
        """Keeps and returns those of the pairs that are near."""
        alike = self.index.near(left, right)
        self.checked += len(left)
        left, right = left[alike], right[alike]
        if len(left):
            self.found.append(np.stack([left, right], 1))
        return left, right

    def check_crowds(self) -> None:
        """In crowds: each entry with the first of each crowd, and all pairs that the search inside crowds proposes."""
        if not self.crowd.any():
            return
        self.check(*unique(lists.led(self.index.keys, self.crowd, np.arange(len(self.index)))))
        entries = np.flatnonzero(self.crowd)
        for left, right in self.index.crowded(entries, np.zeros(len(self.index), bool)):
            self.check(left, right)

    def inside(self, entries: Any) -> Iterator[tuple[Any, Any]]:
        """Candidate pairs among entries of crowds: those that the search inside crowds proposes.

        Then all pairs of a family, entries that crowds connect, if not all were proposed and the family is not large.
        """
        short = np.zeros(len(self.index), bool)
        yield from self.index.crowded(entries, short)
        if not short.any():
            return
        keys, family = (row[entries] for row in self.index.keys), np.arange(len(entries))
        for leader, other in lists.led(keys, self.crowd[entries], family.copy()):
            family = components(len(entries), np.stack([family[leader], family[other]], 1))[family]
        order, starts, sizes = lists.runs(family.astype(np.uint32))
        some = (sizes <= FAMILY) & np.isin(family[order[starts]], family[short[entries]])
        yield from lists.within(entries[order], starts[some], sizes[some])

    def connect_crowds(self) -> None:
        """In crowds: pairs enough that what is connected by near pairs is connected by those that were found."""
        if not self.crowd.any():
            return
        parts = self._parts()
        for attempt in range(ROUNDS):
            before, known = self.checked, sum(map(len, self.found))
            for left, right in lists.led(self.index.keys, self.crowd, scattered(len(self.index), attempt)):
                apart = parts[left] != parts[right]
                if len(self.check(left[apart], right[apart])[0]):
                    parts = self._parts()
            if sum(map(len, self.found)) - known <= LITTLE * (self.checked - before):
                break
        since = 0
        for left, right in self.inside(self._mixed(parts)):
            for at in range(0, len(left), _SOME):
                some = slice(at, at + _SOME)
                apart = parts[left[some]] != parts[right[some]]
                since += len(self.check(left[some][apart], right[some][apart])[0])
                if since > len(parts) // 8:
                    parts, since = self._parts(), 0

    def _parts(self) -> Any:
        """What part of its crowds each entry is connected with, by pairs inside crowds."""
        inside = self.crowd > 0
        place = np.cumsum(inside) - 1
        pairs = [place[some[inside[some].all(1)]] for some in self.found]
        return components(int(inside.sum()), np.concatenate(pairs))[np.where(inside, place, 0)]

    def _mixed(self, parts: Any) -> Any:
        """Entries that stand in a crowd of more than one part."""
        out = np.zeros(len(parts), bool)
        for table, keys in enumerate(self.index.keys):
            some = np.flatnonzero(self.crowd >> np.uint64(table) & _ONE)
            order, starts, sizes = lists.runs(keys[some])
            part = parts[some[order]]
            unlike = np.concatenate([[0], np.cumsum(part[1:] != part[:-1])]) if len(part) else part
            mixed = unlike[starts + sizes - 1] > unlike[starts]
            out[some[order[ranges(starts[mixed], sizes[mixed])]]] = True
        return np.flatnonzero(out)

    def rows(self) -> Any:
        """The near pairs as rows of texts (k, 2), the smaller first, sorted, each once."""
        pairs = np.sort(self.index.rows[np.concatenate(self.found)], axis=1)
        packed = distinct(pairs[:, 0] << 32 | pairs[:, 1])
        return np.stack([packed >> 32, packed & 0xFFFFFFFF], 1)


def unique(pairs: Iterable[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Each pair once."""
    packed = distinct(np.concatenate([left << 32 | right for left, right in pairs]))
    return packed >> 32, packed & 0xFFFFFFFF


def scattered(count: int, seed: int) -> Any:
    """The numbers below `count` in an order that has nothing to do with theirs; the first time in theirs."""
    if not seed:
        return np.arange(count)
    factor = np.uint64(2 * seed * 0x9E3779B97F4A7C15 % 2**64 + 1)
    return (np.arange(count, dtype=np.uint64) * factor >> np.uint64(32)).astype(np.int64)


def components(count: int, links: Any) -> Any:
    """A number for each of `count`: the same for those that links (k, 2) connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
