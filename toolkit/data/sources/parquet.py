"""Parquet files, row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.sources.gather import demand_columns, demand_types, gather
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 16 << 20  # bytes
_ROWS = 65_536


def read_parquet(path: Path, spill: Path | None = None) -> pa.Table:
    """The file's table; dictionaries become what they stand for.

    Raises:
        ToolkitError: a damaged file, one with too many columns, or with one of a type that no dataset can hold.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as e:
        raise _damaged(path, e) from e
    with file:
        demand_columns(file.schema_arrow.names, path)
        demand_types(file.schema_arrow, path)
        return gather(_batches(file, path), path, spill)


def _damaged(path: Path, e: Exception) -> ToolkitError:
    return ToolkitError(f"{path} is no whole parquet file", " ".join(str(e).split())[:200] or "write it again")


def _batches(file: Any, path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
    rows = max(1, min(_ROWS, _BLOCK * file.metadata.num_rows // max(size, 1)))
    batches, schema = file.iter_batches(batch_size=rows), _plain(file.schema_arrow)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)  # texts that are no UTF-8
        except (pa.ArrowException, OSError) as e:
            raise _damaged(path, e) from e
        yield batch.cast(schema)


def _plain(schema: pa.Schema) -> pa.Schema:
    """Dictionaries as what they stand for, views and large types as plain texts, bytes and lists."""
    import pyarrow as pa

    return pa.schema([field.with_type(_plain_type(field.type)) for field in schema], schema.metadata)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind) else kind
