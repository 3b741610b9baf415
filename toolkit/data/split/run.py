"""Divide, measure, and divide again where the measuring found what the first search had missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import labels, near, roles
from toolkit.data.split import assembly, proof, together
from toolkit.data.split.classes import Labels
from toolkit.data.split.division import Division, Pool, Wish, divided
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from datasets import DatasetDict

ROUNDS = 3


@dataclass(frozen=True)
class Outcome:
    """The splits as they are to be written, how they came about, and the proof."""

    made: DatasetDict
    division: Division
    clusters: Any  # of the pool's rows
    leakage: dict[str, Any]


def run(pool: Pool, features: Any, wish: Wish) -> Outcome:
    """The pool divided so that nothing leaks.

    Raises:
        ToolkitError: it cannot be.
    """
    links = np.concatenate([together.near_links(pool.table)[0], together.group_links(pool.groups)])
    columns = pool.table.column_names
    needed = roles.compared(columns) + [name for name in ("group",) if name in columns]
    # What the search for pairs missed once, by chance of its hash functions, a second seed finds: divide again with it.
    for seed in range(near.SEED + 1, near.SEED + 1 + ROUNDS):
        clusters = together.clusters(pool.table.num_rows, links)
        division = divided(pool, clusters, wish)
        made = assembly.splits(pool, division, features)
        tables, numbers = assembly.sides(made, division, pool)
        leakage, found = proof.measured({name: part.select(needed) for name, part in tables.items()}, seed)
        if leakage["groups_across"]:  # found by no search: only a mistake in dividing can bring this about
            raise RuntimeError(f"{leakage['groups_across']} groups stand on two sides")
        across = leakage["near_duplicate_pairs_across"]
        if not across:
            return Outcome(made, division, clusters[: pool.count], leakage | {"moved_out": division.moved})
        links = np.concatenate([links, numbers[found]])
    raise ToolkitError(f"{across} near-duplicate pairs stand on two sides", "run 'toolkit clean' first")


def summary(pool: Pool, outcome: Outcome, wish: Wish) -> dict[str, Any]:
    """What report.json holds."""
    division, made = outcome.division, outcome.made
    total = max(sum(division.sizes.values()), 1)
    sizes = np.bincount(outcome.clusters)
    out: dict[str, Any] = {
        "method": "time" if wish.by_time else "stratified",
        "splits": {name: _part(rows.with_format("arrow")[:], pool.names) for name, rows in made.items()},
        "shares": {n: {"wanted": wish.shares[n], "made": size / total} for n, size in division.sizes.items()},
        "reasons": division.reasons,
        "leakage": outcome.leakage,
        "clusters": {"of_several_rows": int((sizes > 1).sum()), "largest": int(sizes.max())},
    }
    if wish.folds:
        tables, _ = assembly.sides(made, division, pool)
        out["folds"] = {name: _part(table, pool.names) for name, table in tables.items() if name in division.sizes}
    if wish.by_time:
        for name, part in out["splits"].items():
            rows = division.parts.get(name, np.arange(pool.count, pool.table.num_rows))
            ends = rows[pool.when[rows].argmin()], rows[pool.when[rows].argmax()]
            part["from"], part["to"] = (str(pool.table.column("time")[int(row)].as_py()) for row in ends)
    if wish.subset < 1:
        out["subset"] = {"share": wish.subset, "of": pool.count - division.touched, "rows": division.drawn}
    if wish.balance:
        copied = len(division.copies[0]) if division.copies else 0
        out["balance"] = {"ratio": wish.balance, "by": wish.balance_by, "dropped": division.dropped, "copied": copied}
    return out


def _part(table: Any, names: list[str]) -> dict[str, Any]:
    """Rows, and the share of them that has each class."""
    counts = np.bincount(Labels.of(table.column("label")).codes, minlength=len(names)) / max(table.num_rows, 1)
    return {"rows": table.num_rows, "classes": dict(zip(names, counts.tolist(), strict=True))}


def pool_of(whole: DatasetDict, source: str, *, by_time: bool) -> Pool:
    """`train` as the rows to divide, `test` (if there is one) as those that stay whole."""
    import pyarrow as pa

    tables = [
        whole[name].with_format("arrow")[:].replace_schema_metadata() for name in ("train", "test") if name in whole
    ]
    table = pa.concat_tables([part.select(tables[0].column_names) for part in tables])
    return Pool.of(table, tables[0].num_rows, labels.names_of(whole["train"].features), source, by_time=by_time)
