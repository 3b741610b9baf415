"""What `split` does with the rows: who stays, in which part, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.split import balance, stratify, timed, together
from toolkit.data.split.classes import Labels
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

TOLERANCE = 0.01  # share of the rows by which a part may be off before the reason is told


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How rows are to be divided."""

    shares: Mapping[str, float]  # part -> share, in the order of the parts
    seed: int
    subset: float = 1.0
    by_time: bool = False
    folds: int = 0  # the parts that are folds are the last ones
    balance: str | None = None
    balance_by: str = "under"


@dataclass(frozen=True)
class Pool:
    """Rows to divide, `count` of them, and after them those of a test split that stays whole."""

    table: pa.Table
    count: int
    names: list[str]  # of the classes
    labels: Labels
    groups: Any
    when: Any = None  # times as numbers
    order: Any = None  # the rows to divide, by id: what the seed decides does not depend on the order of the source

    @classmethod
    def of(cls, table: pa.Table, count: int, names: list[str], source: str, *, by_time: bool) -> Pool:
        import pyarrow.compute as pc

        labels = Labels.of(table.column("label"))
        when = timed.times(table, source) if by_time else None
        order = pc.sort_indices(table.column("id").slice(0, count)).to_numpy().astype(np.int64)
        return cls(table, count, names, labels, together.groups(table), when, order)

    def id(self, row: int) -> str:
        return str(self.table.column("id")[int(row)].as_py())


@dataclass
class Division:
    """The rows of each part (numbers in the pool's table, in order), and what became of the others."""

    parts: dict[str, Any]
    rejected: list[tuple[int, str, str]] = field(default_factory=list)  # row, reason, detail
    copies: tuple[Any, Any] | None = None  # rows of train to copy, and which copy of its row each is
    sizes: dict[str, int] = field(default_factory=dict)  # rows of each part before balancing
    touched: int = 0  # rows that were moved out since they touch the test split that stays whole
    moved: int = 0  # rows that were moved out, those and by time
    drawn: int = 0  # rows that were divided: a subset of those that might have been
    dropped: int = 0  # rows that balancing dropped
    reasons: list[str] = field(default_factory=list)  # why the shares do not come out


def divided(pool: Pool, clusters: Any, wish: Wish) -> Division:
    """Divide the pool: whole clusters in one part each, none of them near the test split that stays whole.

    Raises:
        ToolkitError: rows hang together in too few clusters for what is asked.
    """
    out = Division({})
    own, fixed = clusters[: pool.count], clusters[pool.count :]
    free = pool.order
    if len(fixed):
        leaking = np.isin(own, fixed)
        _reject(out, pool, clusters, np.flatnonzero(leaking), np.arange(pool.count, len(clusters)), lambda row: "test")
        free = free[~leaking[free]]
    out.touched = len(out.rejected)
    if not len(free):
        raise ToolkitError(
            "every row is a near-duplicate of test, or of one of its groups",
            "divide everything anew with --no-keep-test",
        )
    if wish.subset < 1:
        shares = [wish.subset, 1 - wish.subset]
        chosen = stratify.divide(pool.labels.take(free), clusters[free], shares, wish.seed, must=[0])
        free = free[chosen == 0]
    out.drawn = len(free)
    names, shares = list(wish.shares), list(wish.shares.values())
    tied = 0
    if wish.by_time:
        where, tied = timed.ordered(pool.when[free], clusters[free], shares, wish.seed)
    else:
        where = _stratified(pool, free, clusters, wish)
    out.parts = {name: np.sort(free[where == k]) for k, name in enumerate(names)}
    if wish.by_time:
        side = np.full(len(clusters), -1)
        side[free] = where
        gone = np.sort(free[where < 0])
        _reject(out, pool, clusters, gone, np.sort(free[where >= 0]), lambda row: names[side[row]])
    out.moved, out.sizes = len(out.rejected), {name: len(rows) for name, rows in out.parts.items()}
    _demand_rows(out, pool, clusters, free, wish)
    out.reasons = _reasons(out, pool, clusters, free, wish, tied)
    if wish.balance:
        _balance(out, pool, wish)
    return out


def _stratified(pool: Pool, free: Any, clusters: Any, wish: Wish) -> Any:
    labels, own = pool.labels.take(free), clusters[free]
    names = list(wish.shares)
    must = [k for k, name in enumerate(names) if name == "train" or k >= len(names) - wish.folds]
    if wish.folds:
        _demand_enough(pool, labels, own, wish)
    where = stratify.divide(labels, own, list(wish.shares.values()), wish.seed, must)
    if wish.folds:
        present = np.zeros((len(names), len(pool.names)), dtype=bool)
        present[where[labels.owner], labels.codes] = True
        lacking = np.flatnonzero((~present[must]).any(0) & present.any(0))
        if len(lacking):
            raise ToolkitError(
                f"no way was found to give each of {wish.folds} folds a row of {_listed(pool, lacking)}",
                "ask for fewer folds, or clean away near-duplicates first",
            )
    return where


def _demand_enough(pool: Pool, labels: Labels, clusters: Any, wish: Wish) -> None:
    """Each class stands in as many clusters as there are folds."""
    holders = labels.holders(clusters)
    few = np.flatnonzero((holders > 0) & (holders < wish.folds))
    if len(few):
        least = int(holders[few].min())
        raise ToolkitError(
            f"too few rows of {_listed(pool, few)} for {wish.folds} folds: those that hang together count as one, "
            f"and {least} of {pool.names[few[holders[few].argmin()]]} are left",
            f"ask for {least} folds, add rows, or remove the class" if least > 1 else "add rows, or remove the class",
        )


def _listed(pool: Pool, classes: Any) -> str:
    return ", ".join(sorted(pool.names[k] for k in classes)[:5])


def _reject(out: Division, pool: Pool, clusters: Any, rows: Any, others: Any, side_of: Any) -> None:
    """Take rows out, each for one of the others that is in its cluster."""
    first = np.full(int(clusters.max()) + 1, -1)
    first[clusters[others][::-1]] = others[::-1]
    shared = np.isin(pool.groups[rows], np.setdiff1d(pool.groups[others], [-1]))
    for row, same in zip(rows.tolist(), shared.tolist(), strict=True):
        other = int(first[clusters[row]])
        reason = f"{'same group as' if same else 'near-duplicate of'} {side_of(other)}"
        out.rejected.append((row, reason, f"hangs together with {pool.id(other)}"))


def _demand_rows(out: Division, pool: Pool, clusters: Any, free: Any, wish: Wish) -> None:
    """No part is empty, and no class stands outside of train (or of the folds) alone.

    Raises:
        ToolkitError: one is or does.
    """
    empty = [name for name, rows in out.parts.items() if not len(rows)]
    if empty:
        raise ToolkitError(
            f"nothing is left for {', '.join(empty)}: {_obstacle(pool, clusters, free, wish)}",
            "clean away near-duplicates, check the group column, add rows, or ask for another share",
        )
    learnt = [name for name in out.parts if name not in ("validation", "test")]
    seen = pool.labels.take(np.concatenate([out.parts[name] for name in learnt])).codes
    held = [*(rows for name, rows in out.parts.items() if name not in learnt), np.arange(pool.count, len(clusters))]
    unseen = np.setdiff1d(pool.labels.take(np.concatenate(held)).codes, seen)
    if len(unseen):
        why = "later than what train ends with" if pool.when is not None else "near-duplicates or of one group"
        raise ToolkitError(
            f"no row of {_listed(pool, unseen)} can be in train: all are {why}",
            "add rows of the class, or remove it",
        )


def _obstacle(pool: Pool, clusters: Any, rows: Any, wish: Wish) -> str:
    """What keeps rows from being divided as asked."""
    sizes = np.bincount(clusters[rows])
    if sizes.max() == 1:
        return f"{len(rows)} rows are too few"
    if sizes.max() <= max(wish.shares.values()) * len(rows):
        count = int((sizes > 0).sum())
        return f"{len(rows)} rows hang together in {count} clusters, the largest of {sizes.max()} rows"
    members = rows[clusters[rows] == sizes.argmax()]
    codes, first = pool.groups[members], int(members[0])
    if codes[0] >= 0 and (codes == codes[0]).all():
        what = f"group '{pool.table.column('group')[first].as_py()}'"
    else:
        what = "near-duplicates" if (codes < 0).all() else "groups and near-duplicates"
        what = f"a cluster of {what} (around row {pool.id(first)})"
    return f"{what} has {len(members)} of {len(rows)} rows and cannot be parted"


def _reasons(out: Division, pool: Pool, clusters: Any, free: Any, wish: Wish, tied: int) -> list[str]:
    """Why a part has not the share that it was to have, if one has not."""
    total = sum(map(len, out.parts.values()))
    off = {name: len(rows) / total - wish.shares[name] for name, rows in out.parts.items()}
    said = []
    worst = max(off, key=lambda name: abs(off[name]))
    if abs(off[worst]) * total > max(TOLERANCE * total, 1):
        why = (
            "later rows that repeat earlier ones were moved out"
            if wish.by_time
            else _obstacle(pool, clusters, free, wish)
        )
        said.append(f"{worst} has {len(out.parts[worst]) / total:.1%} of the rows, not {wish.shares[worst]:.1%}: {why}")
    if tied:
        said.append(f"{tied} rows have the time at which two splits meet, and stand on both sides")
    if wish.by_time and len(clusters) > pool.count:
        divided = np.concatenate(list(out.parts.values()))
        late = int((pool.when[divided] > pool.when[pool.count :].min()).sum())
        if late:
            said.append(f"{late} rows are later than the first of test, which is kept as it is")
    return said


def _balance(out: Division, pool: Pool, wish: Wish) -> None:
    """Drop or copy rows of train, by their ids' order."""
    place = np.empty(pool.count, np.int64)
    place[pool.order] = np.arange(pool.count)
    train = out.parts["train"][np.argsort(place[out.parts["train"]])]
    codes, most = pool.labels.take(train).codes, balance.ratio(wish.balance or "")
    if wish.balance_by == "over":
        rows, number = balance.over(codes, most, wish.seed)
        out.copies = train[rows], number
        return
    gone = np.sort(train[balance.under(codes, most, wish.seed)])
    counts = np.bincount(codes, minlength=len(pool.names))
    kept = counts - np.bincount(pool.labels.take(gone).codes, minlength=len(pool.names))
    for row in gone.tolist():
        own = pool.labels.codes[pool.labels.start[row]]
        out.rejected.append((row, "balance", f"{pool.names[own]}: {kept[own]} of {counts[own]} rows stay"))
    out.parts["train"], out.dropped = np.setdiff1d(out.parts["train"], gone), len(gone)
