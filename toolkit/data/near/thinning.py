"""Thinning out: text by text, the best first, one goes when a text that stays is near.

Texts with the same folded form and group are one item; anchors are a group of their own. An item is settled when all
better ones that it could be near are: where few entries share a key all near pairs are known; in a crowd the best that
is left is compared with all others, round after round, and when that gets nowhere the search inside crowds finds the
pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.data.near import lists
from toolkit.data.near.index import distinct, ranges
from toolkit.data.near.search import LITTLE, ROUNDS, Search, scattered, unique

_OPEN, _STAYS, _GOES = 0, 1, 2
_ANCHOR = 0  # in place of a group
_BLOCK, _LEAST = 1 << 14, 1 << 11  # items that are searched together: to begin with, and at the least
_MANY = 1 << 21  # near pairs in memory
_SALT = np.uint64(0x9E3779B97F4A7C15)


def kept(search: Search, order: Any, groups: Any, anchors: Any) -> Any:
    """For each text the one that it goes for, or -1 (see near.keep)."""
    items = _Items(search, order, groups, anchors)
    items.compare_anchors()
    items.compare_best()
    items.settle()
    return items.of_texts()


class _Items:
    """The items, sorted by entry and group."""

    def __init__(self, search: Search, order: Any, groups: Any, anchors: Any) -> None:
        self.search, entry = search, np.full(len(search.entry), -1)
        order = np.asarray(order, np.int64)
        entry[order] = search.entry[order]
        group = _numbers(groups, len(entry))
        group[np.zeros(len(entry), bool) if anchors is None else np.asarray(anchors, bool)] = _ANCHOR
        self.rank = np.empty(len(entry), np.int64)
        self.rank[order] = np.arange(len(order))
        rows = np.flatnonzero(entry >= 0)
        self.texts = rows[np.lexsort((self.rank[rows], group[rows], entry[rows]))]
        packed = entry[self.texts] << 32 | group[self.texts]
        first = np.concatenate([[True], packed[1:] != packed[:-1]]) if len(packed) else np.zeros(0, bool)
        self.item = np.cumsum(first) - 1  # of each of the texts
        self.row, self.packed = self.texts[first], packed[first]
        self.group, self.rank = self.packed & 0xFFFFFFFF, self.rank[self.row]
        self.state = np.where(self.group == _ANCHOR, _STAYS, _OPEN)
        self.goes_for = np.full(len(self.row), -1)
        # the items of each entry; a twin has those of its text
        self.own = search.entry[search.index.rows]
        self.start = np.searchsorted(self.packed, self.own << 32)
        self.count = np.searchsorted(self.packed, (self.own + 1) << 32) - self.start
        self.first = np.append(self.group, -1)[self.start]  # the group of its first item

    def _against(self, wanted: Any) -> tuple[Any, Any]:
        """(item, one that it goes for if that stays) for the wanted items, of all near pairs that are known; sorted."""
        some = np.zeros(len(self.search.index), bool)
        some[self.packed[wanted] >> 32] = True
        some = some[self.own]
        same = np.repeat(np.flatnonzero(some)[:, None], 2, 1)
        packed = [
            self._named(left[some[left]], right[some[left]], wanted)
            for pairs in (*self.search.found, same)
            for left, right in (pairs.T, pairs.T[::-1])
        ]
        every = distinct(np.concatenate(packed))
        return every >> 32, every & 0xFFFFFFFF

    def _named(self, left: Any, right: Any, wanted: Any) -> Any:
        """Of near entries: the wanted items of the left ones, each with those of the right ones that it may go for."""
        item, other = ranges(self.start[left], self.count[left]), np.repeat(self.own[right], self.count[left])
        item, other = item[wanted[item]], other[wanted[item]]
        found = []
        for group in (self.group[item], np.full(len(item), _ANCHOR)):
            at = np.minimum(np.searchsorted(self.packed, other << 32 | group), len(self.packed) - 1)
            fits = (self.packed[at] == other << 32 | group) & (at != item)
            found.append(item[fits] << 32 | at[fits])
        return np.concatenate(found)

    def settle(self, blocked: Any = None) -> None:
        """Settles what can be settled; `blocked` items stay open unless they go."""
        item, other = self._against(self.state == _OPEN)
        waiting = np.zeros(len(self.row), bool) if blocked is None else blocked
        free = (self.state == _OPEN) & ~waiting
        free[item] = False
        self.state[free] = _STAYS
        todo = distinct(item)
        todo = todo[np.argsort(self.rank[todo])]
        starts, stops = np.searchsorted(item, todo).tolist(), np.searchsorted(item, todo, "right").tolist()
        state, rank = self.state.tolist(), self.rank.tolist()
        for i, start, stop in zip(todo.tolist(), starts, stops, strict=True):
            near = other[start:stop].tolist()
            staying = [j for j in near if state[j] == _STAYS]
            if staying:
                state[i], self.goes_for[i] = _GOES, min(staying, key=rank.__getitem__)
            elif not waiting[i] and not any(state[j] == _OPEN and rank[j] < rank[i] for j in near):
                state[i] = _STAYS
        self.state = np.array(state, np.int64)
        self._forget()

    def _forget(self) -> None:
        """Drops the pairs that can settle nothing any more; those of two anchors are told in the end."""
        still = np.zeros(len(self.own), bool)
        still[self.packed[self.state == _OPEN] >> 32] = True
        anchor = self.first == _ANCHOR
        found = self.search.found
        self.search.found = [p[still[self.own[p]].any(1) | anchor[p].all(1)] for p in found]

    def _in_crowds(self, wanted: Any) -> tuple[Any, Any]:
        """(item, entry by which it stands in a crowd) of the wanted items."""
        entries = np.flatnonzero(self.search.crowd)
        item, entry = ranges(self.start[entries], self.count[entries]), np.repeat(entries, self.count[entries])
        return item[wanted[item]], entry[wanted[item]]

    def _led(self, item: Any, entry: Any, ties: Any, salt: Any) -> tuple[Any, Any]:
        mixed = (salt.astype(np.uint64) * _SALT >> np.uint64(32)).astype(np.uint32)
        keys = (row[entry] ^ mixed for row in self.search.index.keys)
        return unique(lists.led(keys, self.search.crowd[entry], ties))

    def compare_anchors(self) -> None:
        """In crowds: all that is near an anchor goes."""
        anchors = self.group == _ANCHOR
        if not anchors.any():
            return
        for attempt in range(ROUNDS):
            item, entry = self._in_crowds((self.state == _OPEN) | anchors)
            ties = np.where(anchors[item], 0, 1 << 40) + scattered(len(self.row), attempt)[item]
            left, right = self._led(item, entry, ties, np.zeros(len(item)))
            some = anchors[item[left]] & ~anchors[item[right]]
            if not some.any():
                return
            self.search.check(entry[left[some]], entry[right[some]])
            if not self._settled_many(self._crowded()):
                break
        one, near = self.first == _ANCHOR, 0  # entries that have an anchor
        for left, right in self.search.inside(distinct(entry)):
            some = one[left] != one[right]
            near += len(self.search.check(left[some], right[some])[0])
            if near > _MANY:
                self.settle(self._crowded())
                near = 0
        self.settle(self._crowded())

    def compare_best(self) -> None:
        """In crowds: the best that is open is compared with all others of its group."""
        every = False  # whether to compare those too that are the best of one crowd, and not of another
        for _ in range(ROUNDS):
            item, entry = self._in_crowds(self.state == _OPEN)
            if not len(item):
                return
            left, right = self._led(item, entry, self.rank[item], self.group[item])
            blocked = np.zeros(len(self.row), bool)
            blocked[item[right]] = True
            some = (self.group[item[left]] == self.group[item[right]]) & (every | ~blocked[item[left]])
            self.search.check(entry[left[some]], entry[right[some]])
            if not self._settled_many(blocked):
                if every:
                    break
                every = True
        self._search_inside()

    def _crowded(self) -> Any:
        out = np.zeros(len(self.row), bool)
        out[self._in_crowds(self.state == _OPEN)[0]] = True
        return out

    def _settled_many(self, blocked: Any) -> bool:
        before = int((self.state == _OPEN).sum())
        self.settle(blocked)
        return int((self.state == _OPEN).sum()) < (1 - LITTLE) * before

    def _search_inside(self) -> None:
        """In crowds: what is open, block by block, with the block and with what has stayed so far."""
        stays, item, entry = np.zeros(len(self.own), bool), *self._in_crowds(self.state == _OPEN)
        order = np.argsort(self.rank[item], kind="stable")
        item, entry, rank = item[order], entry[order], self.rank[item[order]]
        at, size = 0, _BLOCK
        while at < len(item):
            end = int(np.searchsorted(rank, rank[min(at + size, len(item)) - 1], "right"))  # an item and its twin
            now = at + np.flatnonzero(self.state[item[at:end]] == _OPEN)
            block = np.zeros(len(self.own), bool)
            block[entry[now]] = True
            if not self._compared(block, stays, size > _LEAST):
                size //= 4
                continue
            later = self.state == _OPEN
            later[item[now]] = False
            self.settle(later)
            stays[entry[now[self.state[item[now]] == _STAYS]]] = True
            at, size = end, max(_BLOCK, int(stays.sum()))

    def _compared(self, block: Any, stays: Any, limited: bool) -> bool:
        """Checks the pairs of the block that can be near and are not of two groups; no success: too many are near."""
        single, group, known, near = self.count == 1, self.first, len(self.search.found), 0
        if not block.any():
            return True
        for left, right in self.search.inside(np.flatnonzero(block | stays)):
            some = (block[left] | block[right]) & ~(single[left] & single[right] & (group[left] != group[right]))
            near += len(self.search.check(left[some], right[some])[0])
            if limited and near > _MANY:
                del self.search.found[known:]
                return False
        return True

    def of_texts(self) -> Any:
        """For each text the one that it goes for; an anchor's: a better anchor."""
        anchors = self.group == _ANCHOR
        item, other = self._against(anchors)
        better = self.rank[other] < self.rank[item]
        item, other = item[better], other[better]
        order = np.lexsort((self.rank[other], item))
        self.goes_for[item[order][::-1]] = other[order][::-1]  # the best comes last, and stands
        out = np.full(len(self.search.entry), -1)
        best = np.where(self.goes_for >= 0, self.row[self.goes_for], -1)[self.item]
        same = (self.texts != self.row[self.item]) & (self.state[self.item] == _STAYS)
        out[self.texts] = np.where(same, self.row[self.item], best)
        return out


def _numbers(groups: Any, count: int) -> Any:
    """A number of 1 or more for each group."""
    if groups is None:
        return np.ones(count, np.int64)
    if isinstance(groups, np.ndarray):
        return np.unique(groups, return_inverse=True)[1].reshape(-1) + 1
    seen: dict[Any, int] = {}
    return np.fromiter((seen.setdefault(group, len(seen) + 1) for group in groups), np.int64, count)
