"""Which row goes to which split: stratified, with clusters that must not be torn apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from datasets import DatasetDict


def assign(labels: Sequence[int], clusters: Sequence[int], shares: dict[str, float], seed: int) -> list[str]:
    """A split's name for each row: each class by its shares, whole clusters on one side.

    Large clusters are placed first, each where its classes are most wanting; rows of one fill the gaps, so that the
    shares come out as exactly as whole rows allow.

    Args:
        labels: class of each row.
        clusters: rows with the same number stay together.
        shares: split name -> share; they sum to 1.
    """
    label_array, cluster_array = np.asarray(labels), np.asarray(clusters)
    rng = np.random.default_rng(seed)
    names, share = list(shares), np.array(list(shares.values()))
    classes = int(label_array.max()) + 1
    wanted = np.outer(share, np.bincount(label_array, minlength=classes)).astype(float)  # (split, class) still to fill
    members: dict[int, list[int]] = {}
    for row, cluster in enumerate(cluster_array.tolist()):
        members.setdefault(cluster, []).append(row)
    groups = list(members.values())
    order = rng.permutation(len(groups))
    out = np.zeros(len(label_array), dtype=int)
    for g in sorted(order.tolist(), key=lambda g: -len(groups[g])):
        rows = groups[g]
        counts = np.bincount(label_array[rows], minlength=classes)
        need = np.where(share > 0, (wanted * counts).sum(1) / counts.sum() + 1e-9 * wanted.sum(1), -np.inf)
        best = int(need.argmax())
        wanted[best] -= counts
        out[rows] = best
    return [names[i] for i in out.tolist()]


def with_validation(data: DatasetDict, share: float, seed: int) -> DatasetDict:
    """A copy of `data` whose validation split is a stratified `share` of train; augmented rows follow their parents."""
    from datasets import DatasetDict

    train = data["train"]
    ids, parents = train["id"], train["parent_id"] if "parent_id" in train.column_names else [None] * len(train)
    own = {name: i for i, name in enumerate(ids)}
    clusters = [own.get(parent, i) if parent else i for i, parent in enumerate(parents)]
    where = assign(train["label"], clusters, {"train": 1 - share, "validation": share}, seed)
    rows = {s: [i for i, w in enumerate(where) if w == s and (s == "train" or not parents[i])] for s in ("train", "validation")}
    taken = {s: train.select(rows[s]) for s in rows}
    return DatasetDict(taken | {split: part for split, part in data.items() if split not in taken})


def check_children(data: DatasetDict, source: str) -> None:
    """Augmented rows (those with a `parent_id`) may stand in train alone, and so may their parents.

    Raises:
        ToolkitError: one stands in another split, or its parent does.
    """
    children: list[Any] = []
    for split, rows in data.items():
        found = [p for p in rows["parent_id"] if p] if "parent_id" in rows.column_names else []
        if found and split != "train":
            raise ToolkitError(f"{source}: {split} holds {len(found)} augmented rows", "split first, augment train after")
        children += found
    if children:
        for split, rows in data.items():
            across = set(rows["id"]) & set(children) if split != "train" else set()
            if across:
                raise ToolkitError(
                    f"{source}: {len(across)} augmented rows of train have their parent in {split}", "split first, augment after"
                )


def unique_ids(pool: Any, fixed: Any) -> Any:
    """Rows of several splits in one pool: ids that occur twice (in the fixed test too) get a number behind them."""
    taken = set(fixed["id"]) if fixed else set()
    ids = []
    for name in pool["id"]:
        unique, n = name, 1
        while unique in taken:
            n += 1
            unique = f"{name}-{n}"
        taken.add(unique)
        ids.append(unique)
    if ids == list(pool["id"]):
        return pool
    order = pool.column_names
    return pool.remove_columns("id").add_column("id", ids).select_columns(order)


def group_links(pool: Any, fixed: Any) -> list[tuple[int, int]]:
    """Links between rows that share a `group`; the fixed test's rows are numbered after the pool's."""
    if "group" not in pool.column_names:
        return []
    first: dict[Any, int] = {}
    groups = list(pool["group"]) + (list(fixed["group"]) if fixed else [])
    return [(first.setdefault(g, i), i) for i, g in enumerate(groups) if g is not None and first.setdefault(g, i) != i]


def touching(clusters: Sequence[int], pool: int) -> set[int]:
    """Rows of the pool whose cluster has a row of the fixed test (those from number `pool` on)."""
    outside = set(clusters[pool:])
    return {i for i in range(pool) if clusters[i] in outside}
