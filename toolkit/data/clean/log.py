"""What happened to the rows, as tables: the cells that were changed, and the rows that were rejected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import aside

if TYPE_CHECKING:
    import pyarrow as pa

_CELL = ("stage", "column", "before", "after")


def written(values: Any) -> pa.Array:
    """Cells as texts: numbers as they are written, series as JSON, images by their path."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_struct(values.type) and values.type.get_field_index("path") >= 0:
        return pc.struct_field(values, "path").cast(pa.string())
    if pa.types.is_nested(values.type):
        return pa.array([None if v is None else json.dumps(v, default=str) for v in values.to_pylist()], pa.string())
    if pa.types.is_binary(values.type) or pa.types.is_fixed_size_binary(values.type):
        return pa.array([None if v is None else v.hex() for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def differing(stage: str, column: str, numbers: Any, before: Any, after: Any) -> pa.Table:
    """The cells of a column that differ: row, stage, column, before, after.

    Args:
        numbers: of the rows, int64.
        before, after: their cells.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    old, new = written(before), written(after)
    differs = pc.or_(pc.xor(old.is_null(), new.is_null()), pc.fill_null(pc.not_equal(old, new), False))
    if column == "image":
        differs = pa.array(np.ones(len(old), dtype=bool))  # the path may be the same, the picture is not
    count = pc.sum(differs).as_py() or 0
    return pa.table(
        {
            "row": pa.array(numbers).filter(differs),
            "stage": pa.repeat(stage, count),
            "column": pa.repeat(column, count),
            "before": old.filter(differs),
            "after": new.filter(differs),
        }
    )


def changes(cells: Sequence[pa.Table], ids: Any, splits: Any) -> pa.Table:
    """Every changed cell: id, split, stage, column, before, after.

    Args:
        cells: tables of `differing`.
        ids, splits: of all rows.
    """
    import pyarrow as pa

    if not cells:
        return pa.table({name: pa.array([], pa.string()) for name in ("id", "split", *_CELL)})
    table = pa.concat_tables(cells)
    rows = table.column("row")
    return pa.table({"id": ids.take(rows), "split": splits.take(rows)} | {name: table.column(name) for name in _CELL})


def rejected(source: pa.Table, splits: Any, rejects: Sequence[tuple[int, str, str, str]]) -> pa.Table:
    """The rejected rows as they came, with split, stage, reason and detail, in the order of the source."""
    import pyarrow as pa

    found = sorted(rejects)
    numbers = np.array([row for row, *_ in found], np.int64)
    out = source.take(numbers).replace_schema_metadata()
    told: Mapping[str, Any] = {"split": splits.take(numbers)} | {
        name: pa.array([reject[k] for reject in found], pa.string())
        for k, name in enumerate(("stage", "reason", "detail"), 1)
    }
    for name, column in told.items():
        if name in out.column_names:  # the source's own
            out = out.rename_columns([aside(name, out.column_names) if c == name else c for c in out.column_names])
        out = out.append_column(name, column)
    return out
