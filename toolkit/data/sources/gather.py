"""Record batches to one table: in memory, or laid out in a file and mapped from there when they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import console
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

SPILL_BYTES = 512 << 20  # of Arrow data
MAX_COLUMNS = 10_000


def gather(batches: Iterable[pa.RecordBatch], path: Path, spill: Path | None) -> pa.Table:
    """One table of all batches (which share a schema).

    Args:
        path: where they come from, for messages.
        spill: the file to lay them out in once they are more than `SPILL_BYTES`; the table is then mapped from it and
            stays good when the file's name is removed.

    Raises:
        ToolkitError: too many columns, or one of a type that no dataset can hold.
    """
    import pyarrow as pa

    kept: list[pa.RecordBatch] = []
    size = 0
    with console.progress("rows read", None) as advance:
        batches = _told(batches, advance)
        for batch in batches:
            if not kept:
                demand_columns(batch.schema.names, path)
                demand_types(batch.schema, path)
            kept.append(batch)
            size += batch.nbytes
            if spill is not None and size > SPILL_BYTES:
                return _laid_out(chain(kept, batches), kept[0].schema, spill)
    return pa.Table.from_batches(kept) if kept else pa.table({})


def _told(batches: Iterable[pa.RecordBatch], advance: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        advance(batch.num_rows)


def _laid_out(batches: Iterable[pa.RecordBatch], schema: pa.Schema, spill: Path) -> pa.Table:
    import pyarrow as pa

    spill.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_stream(str(spill), schema) as writer:  # unlike the file form, it may change dictionaries
        for batch in batches:
            writer.write_batch(batch)
    return pa.ipc.open_stream(pa.memory_map(str(spill))).read_all()


def demand_columns(names: list[str], path: Path) -> None:
    """Refuse what is no table of rows but one that lies on its side."""
    if len(names) > MAX_COLUMNS:
        raise ToolkitError(
            f"{path} has {len(names)} columns, more than {MAX_COLUMNS}",
            "keep the columns that are needed, or turn rows and columns round",
        )


def demand_types(schema: pa.Schema, path: Path) -> None:
    """Refuse types that `datasets` or parquet cannot hold; lists and structs of others pass through.

    Those are maps, list views, run-ends, unions, intervals, structs without fields, and extension types
    but JSON and the arrays of `datasets`.
    """
    odd = next((field for field in schema if not _holds(field.type)), None)
    if odd is not None:
        raise ToolkitError(
            f"{path}: column '{odd.name}' is of a type that is not read ({str(odd.type)[:100]})",
            "drop it, or write it as text, numbers, lists or structs",
        )


def _holds(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_struct(kind):
        return kind.num_fields > 0 and all(_holds(field.type) for field in kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _holds(kind.value_type)
    if types.is_dictionary(kind):
        return _holds(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return isinstance(kind, pa.JsonType) or type(kind).__module__.startswith("datasets.")
    return not (
        types.is_nested(kind)
        or types.is_map(kind)
        or types.is_union(kind)
        or types.is_run_end_encoded(kind)
        or types.is_interval(kind)
    )
