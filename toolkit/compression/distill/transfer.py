"""More rows to learn on: whatever labels they have are not read, the teacher alone tells what to learn of them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import columns, content, near, roles, text
from toolkit.data.split import check_children
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from datasets import DatasetDict


def chosen(source: DatasetDict, data: DatasetDict, name: str) -> tuple[Any, dict[str, int]]:
    """Of the train split of a source the rows to learn on, and why others are not.

    Args:
        data: the splits that are there: nothing may leak from those that are not train.
        name: of the source, as errors give it.

    Returns:
        Rows with `id` and content alone; `{"rows", "empty", "near_held_out", "repeated"}`: how many there are, and how
        many were left out as without content, as near a held-out row, as equal to a row of train or an earlier one.

    Raises:
        ToolkitError: rows of another content, or augmented ones whose parents are held out.
    """
    from datasets import DatasetDict

    if "train" not in source:
        raise ToolkitError(f"{name} has no train split", "give a dataset with one")
    compared = roles.compared(data["train"].column_names)
    held_out = {split: rows for split, rows in data.items() if split != "train"}
    if roles.compared(source["train"].column_names) != compared:
        own = " and ".join(roles.compared(source["train"].column_names))
        raise ToolkitError(f"{name} holds {own}, the data {' and '.join(compared)}", "give rows of the same columns")
    check_children(DatasetDict({"train": source["train"]} | held_out), name)
    tables = {split: rows.with_format("arrow")[:] for split, rows in (data | {"transfer": source["train"]}).items()}
    tables = {split: table.select(compared) for split, table in tables.items()}
    new, train = tables.pop("transfer"), tables.pop("train")
    full = ~np.any([columns.blank(new.column(part)).to_numpy(zero_copy_only=False) for part in compared], axis=0)
    far = full & ~_near(new, [*tables.values()])
    fresh = far & _first(train, new)
    counts = {"empty": ~full, "near_held_out": full & ~far, "repeated": far & ~fresh}
    rows = source["train"].select(np.flatnonzero(fresh)).select_columns(["id", *compared])
    return rows, {"rows": len(rows)} | {why: int(which.sum()) for why, which in counts.items()}


def spans(rows: Any, count: int, seed: int) -> DatasetDict:
    """Random runs of words of each row's texts as a source of its own, `count` a row.

    A small student learns from what the teacher says of parts what it would not find in whole texts (the sentences of
    the Stanford Sentiment Treebank come with the labels of all their phrases for this reason; Socher et al., 2013). A
    text of fewer than three words stays whole, which `chosen` then leaves out as repeated.
    """
    from datasets import Dataset, DatasetDict

    rng, made = Random(seed), {name: list[str]() for name in ["id", *roles.compared(rows.column_names)]}
    for row in console.track(rows.select_columns([*made]), "spans"):
        ways = {name: _cutter(value, rng) for name, value in row.items() if name != "id"}
        for number in range(count):
            made["id"].append(f"{row['id']}:{number}")
            for name, cut in ways.items():
                made[name].append(cut())
    return DatasetDict({"train": Dataset.from_dict(made)})


def _cutter(whole: str, rng: Random) -> Callable[[], str]:
    """Draws a run of two words or more, but not of all."""
    tokens = text.tokens(whole)
    words = [i for i, token in enumerate(tokens) if token[0].isalnum()]

    def draw() -> str:
        if len(words) < 3:
            return whole
        length = rng.randint(2, len(words) - 1)
        first = rng.randint(0, len(words) - length)
        return "".join(tokens[words[first] : words[first + length - 1] + 1])

    return draw


def _near(new: Any, held_out: list[Any]) -> Any:
    """(rows,) bool: which rows near-duplicates connect with one that is held out."""
    import pyarrow as pa

    table = pa.concat_tables([new, *held_out], promote_options="permissive")
    links, _ = content.links(table, "transfer rows against held-out ones")
    cluster = np.array(near.clusters(table.num_rows, links))
    return np.isin(cluster[: new.num_rows], cluster[new.num_rows :])


def _first(train: Any, new: Any) -> Any:
    """(rows,) bool: which rows are equal neither to one of train nor to an earlier one."""
    keys = np.concatenate([content.keys(train), content.keys(new)])
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, axis=0, return_index=True)[1]] = True
    return first[len(train) :]
