"""Dividing rows so that nothing leaks: near-duplicates and groups stay together, augmented rows with their parents.

`run` is what the command `split` does, `division` its heart; `stratify`, `timed` and `balance` are the methods,
`together` says what must not be parted, `proof` measures the result. Here stands what the other commands ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.split import stratify, together
from toolkit.data.split.classes import Labels
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict


def with_validation(data: DatasetDict, share: float, seed: int) -> DatasetDict:
    """A copy of `data` whose validation split is a `share` of train's own rows, stratified where they have labels.

    Near-duplicates and rows of a `group` stay on one side. Augmented rows are no part of it, and those whose parent is
    leave train.

    Raises:
        ToolkitError: too few rows.
    """
    from datasets import DatasetDict

    train = data["train"]
    table, ids, parents = train.with_format("arrow")[:], _values(train, "id"), _values(train, "parent_id")
    own = np.array([i for i, parent in enumerate(parents) if not parent], np.int64)
    mine = table.take(own) if len(own) < len(ids) else table
    held = own[_held_out(mine, share, seed)].tolist() if len(own) else []
    out = {ids[i] for i in held}
    if not held:
        hint = "near-duplicates stay together, and each class keeps a row: add rows, or give a validation split"
        raise ToolkitError(f"{len(own)} rows of train are too few to hold some out", hint)
    kin = zip(ids, parents, _values(train, "partner_id"), strict=True)
    rest = [i for i, names in enumerate(kin) if out.isdisjoint(names)]
    others = {split: rows for split, rows in data.items() if split not in ("train", "validation")}
    return DatasetDict({"train": train.select(rest), "validation": train.select(held)} | others)


def _held_out(table: pa.Table, share: float, seed: int) -> Any:
    """(n,) bool: which rows go to validation."""
    import pyarrow as pa

    links = np.concatenate([together.near_links(table)[0], together.group_links(together.groups(table))])
    clusters = together.clusters(table.num_rows, links)
    none = np.zeros(table.num_rows, np.int64)
    labels = Labels.of(table.column("label") if "label" in table.column_names else pa.chunked_array([none]))
    return stratify.divide(labels, clusters, [1 - share, share], seed, must=[0]) == 1


def check_children(data: DatasetDict, source: str) -> None:
    """Augmented rows (those with a `parent_id`) may stand in train alone, and so may their parents.

    Raises:
        ToolkitError: one stands in another split, or its parent does.
    """
    children: list[Any] = []
    for split, rows in data.items():
        found = [parent for parent in _values(rows, "parent_id") if parent]
        if found and split != "train":
            raise ToolkitError(
                f"{source}: {split} holds {len(found)} augmented rows", "split first, augment train after"
            )
        children += found + [partner for partner in _values(rows, "partner_id") if partner]
    if children:
        for split, rows in data.items():
            across = set(_values(rows, "id")) & set(children) if split != "train" else set()
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
    found = sum(parent is not None for rows in data.values() for parent in _values(rows, "parent_id"))
    if found:
        raise ToolkitError(f"{source} holds {found} augmented rows", "split what it was made from, then augment")


def _values(rows: Any, column: str) -> list[Any]:
    """The values of a column, None where there is no such column."""
    if column not in rows.column_names:
        return [None] * len(rows)
    out: list[Any] = rows.with_format("arrow")[:].column(column).to_pylist()
    return out
