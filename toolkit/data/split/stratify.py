"""Which row goes to which part: stratified by class, with clusters that must not be torn apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.split.classes import Labels, spans

SLACK = 0.01  # share of all rows by which a part's size may be off
_MOST_MOVES = 500
_ATTEMPTS, _FEW = 8, 10_000  # divisions that are tried, where so few clusters do not come out at once
_EPSILON = 1e-9


def divide(labels: Labels, clusters: Any, shares: Sequence[float], seed: int, must: Sequence[int] = ()) -> Any:
    """A part's number for each row: every class divided by the shares, whole clusters in one part.

    Clusters of several rows are placed first, the largest before the others, each where its classes are most wanting;
    where that is about equal, the part decides that lacks most rows of any class. Single rows fill the gaps: rows of
    one class each by exact quotas, rows of several by iterative stratification (Sechidis et al., 2011). Where the size
    of a part is then still off by more than half of `SLACK`, clusters are moved, those first that cost the classes
    least. Classes and parts thus both come out as exactly as whole clusters allow; where clusters are few and the
    result is not good enough, it is tried again in other orders.

    The result depends on the rows' order (sort them by id), not on how clusters are numbered.

    Args:
        clusters: (n,) rows with the same number stay together.
        shares: of each part; they sum to 1. A part with a share of 0 gets nothing.
        must: parts that are to have every class.
    """
    used = np.flatnonzero(np.asarray(shares) > 0)
    needing = [k for k, part in enumerate(used.tolist()) if part in must]
    tried: list[tuple[tuple[int, float], _State]] = []
    for attempt in range(_ATTEMPTS):
        state = _State.of(labels, clusters, np.asarray(shares, float)[used])
        _fill(state, needing, np.random.default_rng([seed, attempt] if attempt else seed), again=attempt > 0)
        lacking, off = int((_has(state)[needing] == 0).sum()), float(np.abs(state.rows).max())
        tried.append(((lacking, off), state))
        if (not lacking and off <= max(SLACK * len(labels), 1)) or len(state.sizes) > _FEW:
            break
    best = min(tried, key=lambda one: one[0])[1]
    return used[best.where[best.cluster]]


def _fill(state: _State, must: Sequence[int], rng: Any, *, again: bool) -> None:
    _place_clusters(state, rng, again=again)
    if state.several:
        _place_by_rarest(state, rng)
    else:
        _place_by_quotas(state, rng, must)
    _level(state, must)
    _complete(state, must)


@dataclass
class _State:
    """Clusters under division. Entries: the classes of each cluster, a run of them a cluster."""

    cluster: Any  # (rows,) cluster of each row
    sizes: Any  # (clusters,) rows
    where: Any  # (clusters,) part, -1 while not placed
    entry_cluster: Any
    entry_class: Any
    entry_count: Any
    start: Any  # (clusters + 1,) of each cluster's entries
    wanted: Any  # (parts, classes) labels still to come; below 0 what is too much
    rows: Any  # (parts,) rows still to come
    full: Any  # (parts,) rows that it is to have
    several: bool  # whether a row may have several classes

    @classmethod
    def of(cls, labels: Labels, clusters: Any, shares: Any) -> _State:
        codes, owner = labels.codes, labels.owner
        cluster = _by_first_row(clusters)
        sizes = np.bincount(cluster)
        classes = int(codes.max()) + 1
        key, counts = np.unique(cluster[owner] * classes + codes, return_counts=True)
        start = np.searchsorted(key // classes, np.arange(len(sizes) + 1))
        full = shares * len(cluster)
        wanted = np.outer(shares, np.bincount(codes, minlength=classes))
        several = len(codes) > len(cluster)
        where = np.full(len(sizes), -1)
        return cls(
            cluster, sizes, where, key // classes, key % classes, counts, start, wanted, full.copy(), full, several
        )

    def put(self, clusters: Any, parts: Any) -> None:
        """Place clusters that stand nowhere yet, or move them."""
        entries, lengths = spans(self.start, clusters)
        for sign, to in ((1, self.where[clusters]), (-1, parts)):
            known = to >= 0
            np.add.at(self.rows, to[known], sign * self.sizes[clusters][known])
            known = np.repeat(known, lengths)
            place = np.repeat(to, lengths)[known], self.entry_class[entries][known]
            np.add.at(self.wanted, place, sign * self.entry_count[entries][known])
        self.where[clusters] = parts


def _by_first_row(clusters: Any) -> Any:
    """Clusters numbered in the order of their first rows."""
    _, first, inverse = np.unique(np.asarray(clusters), return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _place_clusters(state: _State, rng: Any, *, again: bool) -> None:
    """Clusters of several rows, one after another: plain lists, since arrays of three cost more than they save."""
    several = rng.permutation(np.flatnonzero(state.sizes > 1))
    weight = state.sizes[several] * (rng.random(len(several)) if again else 1)  # another order, if the best one failed
    several = several[np.argsort(-weight, kind="stable")].tolist()
    parts = range(len(state.full))
    wanted, rows, full = state.wanted.T.tolist(), state.rows.tolist(), np.maximum(state.full, 1).tolist()
    start, sizes = state.start.tolist(), state.sizes.tolist()
    classes, counts = state.entry_class.tolist(), state.entry_count.tolist()
    chosen = []
    for cluster in console.track(several, "clusters"):
        size, entries = sizes[cluster], range(start[cluster], start[cluster + 1])
        if len(entries) == 1:
            need = wanted[classes[entries[0]]]
        else:
            total = sum(counts[e] for e in entries)
            need = [sum(wanted[classes[e]][part] * counts[e] for e in entries) / total for part in parts]
        least = max(need) - size / 4
        best = max((part for part in parts if need[part] >= least), key=lambda part: rows[part] / full[part])
        rows[best] -= size
        for e in entries:
            wanted[classes[e]][best] -= counts[e]
        chosen.append(best)
    state.put(np.array(several, np.int64), np.array(chosen, np.int64))


def _place_by_quotas(state: _State, rng: Any, must: Sequence[int]) -> None:
    """Single rows of one class each: how many of a class each part gets is decided for the class as a whole."""
    single = rng.permutation(np.flatnonzero(state.where < 0))
    single_class = state.entry_class[state.start[single]]
    single = single[np.argsort(single_class, kind="stable")]
    count = np.bincount(single_class, minlength=state.wanted.shape[1])
    ideal = _filled(state.wanted, count)  # in fractions
    quota = np.floor(ideal + _EPSILON).astype(np.int64)
    left, rows = count - quota.sum(0), state.rows - quota.sum(1)
    has = _has(state) + quota
    for one in rng.permutation(np.flatnonzero(left)).tolist():
        for _ in range(left[one]):
            lacking = [part for part in must if not has[part, one]]
            wants = ideal[:, one] - quota[:, one] > _EPSILON
            part = lacking[0] if lacking else int(np.where(wants, rows, -np.inf).argmax())
            quota[part, one] += 1
            has[part, one] += 1
            rows[part] -= 1
    parts = np.repeat(np.tile(np.arange(len(quota)), quota.shape[1]), quota.T.ravel())
    state.put(single, parts)


def _filled(wanted: Any, count: Any) -> Any:
    """The nearest matrix without negative cells whose columns sum to `count` (a projection onto simplices)."""
    descending = -np.sort(-wanted, axis=0)
    over = (np.cumsum(descending, axis=0) - count) / np.arange(1, len(wanted) + 1)[:, None]
    last = (descending - over > 0).sum(0) - 1
    level = np.take_along_axis(over, np.maximum(last, 0)[None], axis=0)
    return np.maximum(wanted - level, 0)


def _has(state: _State) -> Any:
    """(parts, classes) clusters that hold the class."""
    placed = state.where[state.entry_cluster] >= 0
    has = np.zeros(state.wanted.shape, np.int64)
    np.add.at(has, (state.where[state.entry_cluster[placed]], state.entry_class[placed]), 1)
    return has


def _place_by_rarest(state: _State, rng: Any) -> None:
    """Single rows with several classes: always those of the class with fewest rows left, each where it lacks most."""
    single = rng.permutation(np.flatnonzero(state.where < 0))
    start, classes = state.start.tolist(), state.entry_class.tolist()
    wanted, rows = state.wanted.T.tolist(), state.rows.tolist()
    parts, waiting = range(len(rows)), {}
    of_class: dict[int, list[int]] = {}
    for cluster in single.tolist():
        waiting[cluster] = own = classes[start[cluster] : start[cluster + 1]]
        for one in own:
            of_class.setdefault(one, []).append(cluster)
    left = {one: len(found) for one, found in of_class.items()}
    chosen = {}
    with console.progress("rows of several classes", len(waiting)) as advance:
        while left:
            rarest = min(left, key=lambda one: (left[one], one))
            for cluster in of_class[rarest]:
                own = waiting.pop(cluster, None)
                if own is None:
                    continue
                need = wanted[rarest]
                best = max(parts, key=lambda part: (round(need[part], 6), rows[part]))
                rows[best] -= 1
                chosen[cluster] = best
                for one in own:
                    wanted[one][best] -= 1
                    left[one] -= 1
                advance()
            left = {one: count for one, count in left.items() if count}
    state.put(np.array(list(chosen), np.int64), np.array(list(chosen.values()), np.int64))


def _level(state: _State, must: Sequence[int]) -> None:
    """Move clusters from the fullest parts to the emptiest until every size is within half the slack, or none helps.

    Where no cluster can be moved, two of unlike size change places.
    """
    slack = max(SLACK / 2 * len(state.cluster), 1)
    for _ in range(_MOST_MOVES):
        order = np.argsort(state.rows, kind="stable").tolist()
        taker, givers = order[-1], [part for part in order if state.rows[part] < 0]
        for giver in givers:
            over, under = -state.rows[giver], state.rows[taker]
            if max(over, under) <= slack:
                return
            able = _movable(state, giver, must, over + under)
            if len(able):
                fitting = able[state.sizes[able] <= min(over, under)]
                moved = _cheapest(state, fitting if len(fitting) else able, giver, taker, min(over, under) / 4)
                state.put(moved, np.full(len(moved), taker))
                break
        else:
            if not _exchanged(state, order, must):
                return


def _exchanged(state: _State, order: Sequence[int], must: Sequence[int]) -> bool:
    """Whether two clusters of an overfull part (first in `order`) and of one with room changed places."""
    for giver, taker in [(g, t) for g in order for t in reversed(order) if state.rows[g] < 0 < state.rows[t]]:
        gap = state.rows[taker] - state.rows[giver]
        given, taken = (_movable(state, part, must, np.inf) for part in (giver, taker))
        large, small = np.unique(state.sizes[given]), np.unique(state.sizes[taken])
        less = large[:, None] - small  # rows by which the one part shrinks and the other grows
        less = np.where((less > 0) & (less < gap), np.abs(less - gap / 2), np.inf)
        if less.size and np.isfinite(less.min()):
            one, other = np.unravel_index(less.argmin(), less.shape)
            going = _cheapest(state, given[state.sizes[given] == large[one]], giver, taker, 0)
            coming = _cheapest(state, taken[state.sizes[taken] == small[other]], taker, giver, 0)
            state.put(np.concatenate([going, coming]), np.array([taker, giver]))
            return True
    return False


def _movable(state: _State, giver: int, must: Sequence[int], below: float) -> Any:
    """The clusters of a part with less than so many rows; not the last one of a class that the part must have."""
    movable = (state.where == giver) & (state.sizes < below)
    if giver in must:
        movable[state.entry_cluster[_has(state)[giver, state.entry_class] < 2]] = False
    return np.flatnonzero(movable)


def _cheapest(state: _State, clusters: Any, giver: int, taker: int, rows: float) -> Any:
    """Clusters of up to `rows` rows in sum (one at least) whose move throws the classes least off, a row."""
    entries, lengths = spans(state.start, clusters)
    kind, count = state.entry_class[entries], state.entry_count[entries]
    # how the sum of squared deviations, each class as a share of itself, changes
    weight = 1 / np.bincount(state.entry_class, state.entry_count)[kind]
    cost = weight * count * (state.wanted[giver, kind] - state.wanted[taker, kind] + count)
    cost = np.bincount(np.repeat(np.arange(len(clusters)), lengths), cost) / state.sizes[clusters]
    order = np.argsort(cost, kind="stable")
    fit = int((np.cumsum(state.sizes[clusters[order]]) <= rows).sum())
    return clusters[order[: max(fit, 1)]]


def _complete(state: _State, must: Sequence[int]) -> None:
    """Move into each part that is to have every class what it lacks: the smallest cluster that can be spared."""
    has = _has(state)
    by_class = np.argsort(state.entry_class, kind="stable")
    edges = np.searchsorted(state.entry_class[by_class], np.arange(has.shape[1] + 1))
    for part, one in [(p, c) for p in must for c in np.flatnonzero((has[p] == 0) & (has.sum(0) > 0)).tolist()]:
        holders = state.entry_cluster[by_class[edges[one] : edges[one + 1]]]
        for cluster in holders[np.argsort(state.sizes[holders], kind="stable")].tolist():
            own, place = state.entry_class[state.start[cluster] : state.start[cluster + 1]], state.where[cluster]
            if place not in must or (has[place, own] > 1).all():
                has[place, own] -= 1
                has[part, own] += 1
                state.put(np.array([cluster]), np.array([part]))
                break
