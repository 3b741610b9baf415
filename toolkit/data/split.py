"""Which row goes to which split: stratified, with clusters that must not be torn apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import near
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from datasets import DatasetDict


def assign(labels: Sequence[int], clusters: Sequence[int], shares: dict[str, float], seed: int) -> list[str]:
    """A split's name for each row: each class by its shares, whole clusters on one side.

    Large clusters are placed first, each where its classes are most wanting; single rows fill the gaps. Where that is
    about equal, the split decides that lacks most rows of any class; and so it does for single rows that no split wants
    whole, placed last. Classes and splits thus both come out as exactly as whole rows allow. Of every class the largest
    split has a row.

    Args:
        labels: class of each row.
        clusters: rows with the same number stay together.
        shares: split name -> share; they sum to 1.
    """
    label_array = np.asarray(labels)
    names, share = list(shares), np.array(list(shares.values()))
    classes, largest = int(label_array.max()) + 1, int(share.argmax())
    wanted = np.outer(share, np.bincount(label_array, minlength=classes)).astype(float)  # (split, class) still to fill
    wanted[share == 0] = -np.inf
    full = np.maximum(wanted.sum(1), 1)
    members: dict[int, list[int]] = {}
    for row, cluster in enumerate(np.asarray(clusters).tolist()):
        members.setdefault(cluster, []).append(row)
    groups = list(members.values())
    out = np.zeros(len(label_array), dtype=int)
    seen: set[int] = set()  # classes of which the largest split has a row
    left = []
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    for rows in sorted((groups[g] for g in order), key=len, reverse=True):
        own, counts = np.unique(label_array[rows], return_counts=True)
        need = (wanted[:, own] * counts).sum(1) / len(rows)
        if len(rows) == 1 and own[0] not in seen:
            best = largest
        elif len(rows) == 1 and need.max() < 1 - 1e-9:
            left.append(rows[0])
            continue
        else:
            equal = need >= need.max() - len(rows) / 4
            best = int(np.where(equal, wanted.sum(1) / full, -np.inf).argmax())
        wanted[best, own] -= counts
        out[rows] = best
        if best == largest:
            seen.update(own.tolist())
    for row in left:
        label = label_array[row]
        best = int(np.where(wanted[:, label] > 1e-9, wanted.sum(1), -np.inf).argmax())
        wanted[best, label] -= 1
        out[row] = best
    return [names[i] for i in out.tolist()]


def with_validation(data: DatasetDict, share: float, seed: int) -> DatasetDict:
    """A copy of `data` whose validation split is a stratified `share` of train's own rows.

    Near-duplicates and rows of a `group` stay on one side. Augmented rows are no part of it, and those whose parent is
    leave train.

    Raises:
        ToolkitError: too few rows.
    """
    from datasets import DatasetDict

    train = data["train"]
    ids, labels = list(train["id"]), list(train["label"])
    parents = list(train["parent_id"]) if "parent_id" in train.column_names else [None] * len(ids)
    own = [i for i, parent in enumerate(parents) if not parent]
    mine = train.select(own)
    clusters = near.clusters(len(own), near.pairs(list(mine["text"]))[0] + group_links(mine, None))
    where = assign([labels[i] for i in own], clusters, {"train": 1 - share, "validation": share}, seed)
    held = [i for i, split in zip(own, where, strict=True) if split == "validation"]
    out = {ids[i] for i in held}
    if not held:
        raise ToolkitError(
            f"{len(own)} rows of train are too few to hold some out", "add rows, or give a validation split"
        )
    rest = [i for i in range(len(ids)) if ids[i] not in out and parents[i] not in out]
    others = {split: rows for split, rows in data.items() if split not in ("train", "validation")}
    return DatasetDict({"train": train.select(rest), "validation": train.select(held)} | others)


def check_children(data: DatasetDict, source: str) -> None:
    """Augmented rows (those with a `parent_id`) may stand in train alone, and so may their parents.

    Raises:
        ToolkitError: one stands in another split, or its parent does.
    """
    children: list[Any] = []
    for split, rows in data.items():
        found = [p for p in rows["parent_id"] if p] if "parent_id" in rows.column_names else []
        if found and split != "train":
            raise ToolkitError(
                f"{source}: {split} holds {len(found)} augmented rows", "split first, augment train after"
            )
        children += found
    if children:
        for split, rows in data.items():
            across = set(rows["id"]) & set(children) if split != "train" else set()
            if across:
                raise ToolkitError(
                    f"{source}: {len(across)} augmented rows of train have their parent in {split}",
                    "split first, augment after",
                )


def refuse_children(data: DatasetDict, source: str) -> None:
    """A source that is to be divided has no augmented rows: they could land on another side than their parents.

    Raises:
        ToolkitError: it has.
    """
    found = sum(p is not None for rows in data.values() if "parent_id" in rows.column_names for p in rows["parent_id"])
    if found:
        raise ToolkitError(f"{source} holds {found} augmented rows", "split what it was made from, then augment")


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
