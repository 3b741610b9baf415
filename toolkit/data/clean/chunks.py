"""Columns in chunks that a table's columns share, so that a change of a block costs that block alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def in_blocks(table: pa.Table, most: int) -> pa.Table:
    """The table in chunks that every column shares, none of more than `most` rows."""
    import pyarrow as pa

    batches = table.to_batches(max_chunksize=most)
    return pa.Table.from_batches(batches, table.schema) if batches else table


def like(values: Any, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values (Python's, or Arrow's of any kind) as a column in chunks of the same sizes as the other one's."""
    import pyarrow as pa

    if not isinstance(values, pa.ChunkedArray):
        values = pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])
    sizes = [len(chunk) for chunk in other.chunks]
    ends = np.cumsum(sizes)
    parts = [values.slice(end - size, size).combine_chunks() for end, size in zip(ends, sizes, strict=True)]
    return pa.chunked_array(parts, values.type)


def replaced(column: pa.ChunkedArray, numbers: Any, new: pa.Array) -> pa.ChunkedArray:
    """The column with other values in some rows. `numbers`: of the rows, ascending."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces, start = [], 0
    for chunk in column.chunks:
        end = start + len(chunk)
        low, high = np.searchsorted(numbers, (start, end))
        if low < high:
            order = np.arange(len(chunk))
            order[numbers[low:high] - start] = len(chunk) + np.arange(high - low)
            chunk = pc.take(pa.concat_arrays([chunk, new.slice(low, high - low)]), pa.array(order))
        pieces.append(chunk)
        start = end
    return pa.chunked_array(pieces, column.type)
