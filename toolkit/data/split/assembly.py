"""From numbers of rows back to rows: the splits of a division, and what was taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import aside, with_column
from toolkit.data.labels import label_array
from toolkit.data.split.division import Division, Pool

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

FOLD = "fold "  # the name of a part that is one: "fold 0"


def splits(pool: Pool, division: Division, features: Any) -> DatasetDict:
    """The splits as they are written; folds are one `train` with a column `fold`, copies stand at the end of train."""
    from datasets import DatasetDict, Value

    parts = {name: rows for name, rows in division.parts.items() if not name.startswith(FOLD)}
    folds = [rows for name, rows in division.parts.items() if name.startswith(FOLD)]
    if folds:
        number = np.full(pool.count, -1)
        for k, rows in enumerate(folds):
            number[rows] = k
        parts = {"train": np.flatnonzero(number >= 0)} | parts
    out = DatasetDict({name: _dataset(_kept(pool.table, rows), features) for name, rows in parts.items()})
    if folds:
        import pyarrow as pa

        out["train"] = with_column(out["train"], "fold", pa.array(number[parts["train"]]), Value("int64"))
    if pool.count < pool.table.num_rows:
        out["test"] = _dataset(pool.table.slice(pool.count), features)
    return with_copies(out, pool, *division.copies) if division.copies else out


def sides(made: DatasetDict, division: Division, pool: Pool) -> tuple[dict[str, pa.Table], Any]:
    """(the tables that may share nothing: splits, or folds and test; the pool's number of each of their rows)."""
    tables, numbers = {}, []
    for name, rows in made.items():
        table = rows.with_format("arrow")[:]
        if name == "train" and "train" not in division.parts:
            fold = table.column("fold").to_numpy()
            for k, part in enumerate(n for n in division.parts if n.startswith(FOLD)):
                tables[part] = table.filter(fold == k)
                numbers.append(division.parts[part])
        else:
            tables[name] = table
            numbers.append(division.parts.get(name, np.arange(pool.count, pool.table.num_rows)))
            if name == "train" and division.copies:
                numbers.append(division.copies[0])
    return tables, np.concatenate(numbers)


def with_copies(made: DatasetDict, pool: Pool, rows: Any, number: Any) -> DatasetDict:
    """Train grown by copies of rows, named as `augment` names its own: with `parent_id` and `method`."""
    from datasets import DatasetDict, concatenate_datasets

    out = DatasetDict()
    for name, part in made.items():
        if "method" in part.column_names:  # the user's own, of another meaning
            part = part.rename_column("method", aside("method", part.column_names))
        for column in ("parent_id", "method"):
            part = with_column(part, column, [None] * len(part))
        out[name] = part
    train = out["train"]
    place = {id_: i for i, id_ in enumerate(train.with_format("arrow")[:].column("id").to_pylist())}
    parents = pool.table.column("id").take(rows).to_pylist()
    copies = train.select([place[parent] for parent in parents])
    for column, values in (("id", _new_ids(parents, number, pool)), ("parent_id", parents)):
        copies = with_column(copies, column, values)
    copies = with_column(copies, "method", ["oversample"] * len(parents))
    out["train"] = concatenate_datasets([train, copies])
    return out


def _new_ids(parents: Sequence[str], number: Any, pool: Pool) -> list[str]:
    """`PARENT+NUMBER`, or what is like it and no row's id yet."""
    taken, out = set(pool.table.column("id").to_pylist()), []
    for parent, copy in zip(parents, number.tolist(), strict=True):
        id_ = f"{parent}+{copy}"
        while id_ in taken:
            id_ += "+"
        taken.add(id_)
        out.append(id_)
    return out


def rejected(pool: Pool, division: Division, features: Any, source: Sequence[str]) -> pa.Table:
    """The rows that were taken out, as they came, with split, stage, reason and detail, in the order of the source.

    Args:
        source: the split that each row of the pool came in.
    """
    import pyarrow as pa

    found = sorted(division.rejected)
    numbers = [row for row, *_ in found]
    rows = _dataset(_kept(pool.table, numbers), features)
    rows = with_column(rows, "label", label_array(rows))
    told = {"split": [source[n] for n in numbers], "stage": ["split"] * len(found)}
    told |= {"reason": [reason for _, reason, _ in found], "detail": [detail for *_, detail in found]}
    for name, values in told.items():
        if name in rows.column_names:  # the source's own
            rows = rows.rename_column(name, aside(name, rows.column_names))
        rows = with_column(rows, name, pa.array(values, pa.string()))
    return rows.with_format("arrow")[:]


def _kept(table: pa.Table, rows: Any) -> pa.Table:
    """These rows in the table's order (a filter: taking would join the chunks, and those of images are large)."""
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    return table.filter(mask)


def _dataset(table: pa.Table, features: Any) -> Any:
    from datasets import Dataset, DatasetInfo

    return Dataset(table.replace_schema_metadata(), info=DatasetInfo(features=features))
