"""Train and its children: which rows get how many, made, and put into a table."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.augment import quotas, run
from toolkit.data.augment.run import Child, Judge, Modality
from toolkit.data.columns import with_column

if TYPE_CHECKING:
    import pyarrow as pa

ROUNDS = 3  # in which a class is made up, where the checks took some


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How many children. ratio: how many times the smallest class the largest may be; copies: at most a row then."""

    copies: int | None = None
    ratio: float | None = None
    only: frozenset[int] | None = None  # class numbers
    max_rows: int | None = None


def parents(train: pa.Table, codes: Any, only: frozenset[int] | None) -> Any:
    """Which rows may have children (bool): none that is a child itself, or of a class that was not asked for."""
    chosen = np.ones(len(codes), dtype=bool) if only is None else np.isin(codes, list(only))
    if "parent_id" in train.column_names:
        chosen &= train.column("parent_id").is_null().to_numpy()
    return chosen


def quota(ids: Sequence[str], codes: Any, chosen: Any, wish: Wish, seed: int, have: Any = None, used: int = 0) -> Any:
    """(rows,) how many children each row is to have; `have` rows a class with `used` children are there already."""
    if wish.ratio is None:
        out = np.where(chosen, wish.copies or 1, 0)
    else:
        have = np.bincount(codes) if have is None else have
        out = quotas.to_ratio(ids, codes, chosen, wish.ratio, wish.copies or len(codes), seed, have)
    return out if wish.max_rows is None else quotas.at_most(out, ids, codes, wish.max_rows - used, seed)


def grow(
    train: pa.Table,
    codes: Any,
    modality: Modality,
    taken: set[int],
    wish: Wish,
    aside: Path,
    *,
    classes: int,
    seed: int,
    workers: int = 1,
    judge: Judge | None = None,
    elsewhere: Sequence[str] = (),
) -> tuple[pa.Table, dict[str, dict[str, int]]]:
    """The children of train's rows as a table like it, and what became of each method's attempts.

    Args:
        codes: (rows,) class numbers (of rows with several classes the first).
        aside: a file that the children are laid out in while they are made.
        elsewhere: the ids of the other splits' rows, which no child may have either.

    Returns:
        A table with `id`, `parent_id` and `method` set (of mixtures `partner_id` too, and if some are of two classes
        `label_weights`), mapped from `aside`; counts by method and verdict, under "" of children not made.
    """
    import pyarrow as pa

    ids: list[str] = train.column("id").to_pylist()
    names, chosen = _Names(ids, elsewhere), parents(train, codes, wish.only)
    counts: Counter[tuple[str, str]] = Counter()
    have, first, used = np.bincount(codes, minlength=classes), np.zeros(len(ids), dtype=np.int64), 0
    mixed = False  # whether some child is of two classes
    got, most = np.zeros(len(ids), dtype=np.int64), wish.copies
    schema = _assembled(train, [], modality, names, codes, classes).schema
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for _ in range(ROUNDS):
            wanted = quota(ids, codes, chosen, dataclasses.replace(wish, copies=most), seed, have, used)
            before = used
            made = run.children(modality, ids, wanted, taken, seed=seed, workers=workers, judge=judge, first=first)
            for block, found in made:
                counts.update(found)
                used += len(block)
                np.add.at(got, [child.row for child in block], 1)
                mixed = mixed or any(_of_two(child, codes) for child in block)
                have += np.bincount(codes[[child.row for child in block]], minlength=classes) if block else 0
                writer.write_table(_assembled(train, block, modality, names, codes, classes))
            first += wanted
            if wish.ratio is None or used == before:
                break
            if wish.copies:  # what the checks took is made up by rows that have fewer than they may
                chosen, most = chosen & (got < wish.copies), 1
    with pa.memory_map(str(aside)) as source:
        children = pa.ipc.open_file(source).read_all()
    if modality.mixes and not mixed and "label_weights" not in train.column_names:
        children = children.drop_columns("label_weights")
    return children, _by_method(counts)


def _assembled(
    train: pa.Table, block: list[Child], modality: Modality, names: _Names, codes: Any, classes: int
) -> pa.Table:
    import pyarrow as pa

    rows = [child.row for child in block]
    table = modality.assembled(train.take(pa.array(rows, pa.int64())), [child.made.value for child in block])
    columns: dict[str, Any] = {
        "id": pa.array([names.child(child.row, child.copy) for child in block], pa.string()),
        "parent_id": pa.array([names.ids[row] for row in rows], pa.string()),
        "method": pa.array([child.made.method for child in block], pa.string()),
    }
    if modality.mixes:
        partners = [child.made.partner for child in block]
        columns["partner_id"] = pa.array([names.ids[p] if p >= 0 else None for p in partners], pa.string())
        weights = [_weights(child, codes, classes) for child in block]
        columns["label_weights"] = pa.array(weights, pa.list_(pa.float32()))
    for name, column in columns.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
    return table.combine_chunks()


def _of_two(child: Child, codes: Any) -> bool:
    return child.made.partner >= 0 and bool(codes[child.row] != codes[child.made.partner])


def _weights(child: Child, codes: Any, classes: int) -> Any:
    """The share of each class in a mixture of two, None of another child."""
    if not _of_two(child, codes):
        return None
    out = np.zeros(classes, dtype=np.float32)
    out[codes[child.row]] += child.made.share
    out[codes[child.made.partner]] += 1 - child.made.share
    return out


class _Names:
    """`PARENT+NUMBER`, or what is like it and no row's id yet."""

    def __init__(self, ids: list[str], elsewhere: Sequence[str]) -> None:
        self.ids = ids
        self.taken = {name for names in (ids, elsewhere) for name in names if "+" in name}  # no other can be met

    def child(self, row: int, copy: int) -> str:
        name = f"{self.ids[row]}+{copy + 1}"
        if name not in self.taken:
            return name
        while name in self.taken:
            name += "+"
        self.taken.add(name)
        return name


def _by_method(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for (methods, verdict), count in counts.items():
        for method in methods.split("+"):
            known = out.setdefault(method, {})
            known[verdict] = known.get(verdict, 0) + count
    return out


def join(train: Any, children: pa.Table) -> Any:
    """The rows of a Dataset and their children after them."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features, List, Value, concatenate_datasets

    added = {name: Value("string") for name in ("method", "parent_id", "partner_id")}
    added["label_weights"] = List(Value("float32"))
    for name, feature in added.items():
        if name in children.column_names and name not in train.column_names:
            kind = Features({name: feature}).arrow_schema.field(name).type
            train = with_column(train, name, pa.nulls(len(train), kind), feature)
    features = Features(train.features)
    table = children.select(list(features)).replace_schema_metadata()
    return concatenate_datasets([train, Dataset(table, info=DatasetInfo(features=features))])
