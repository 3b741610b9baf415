"""A column of series as arrays: rows out of it, rows into one like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from toolkit.data.augment.rounding import whole

if TYPE_CHECKING:
    import pyarrow as pa


class Store:
    """The rows of a column of series, each a list of channels (float64, NaN where missing)."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.parts, self.starts, start = [], [], 0
        for chunk in column.chunks:
            inner = chunk.values
            values = inner.values.cast("float64", safe=False).to_numpy(zero_copy_only=False)
            self.parts.append((*_ends(chunk), *_ends(inner), values))
            self.starts.append(start)
            start += len(chunk)
        self.length = start

    def row(self, number: int) -> list[Any]:
        part = int(np.searchsorted(self.starts, number, side="right")) - 1
        first, last, start, end, values = self.parts[part]
        i = number - self.starts[part]
        return [values[start[c] : end[c]] for c in range(first[i], last[i])]


def _ends(lists: pa.Array) -> tuple[Any, Any]:
    """Where each list starts and ends among the values; one that is null is empty."""
    offsets = lists.offsets.to_numpy()
    ends = offsets[1:]
    if lists.null_count:
        ends = np.where(lists.is_null().to_numpy(zero_copy_only=False), offsets[:-1], ends)
    return offsets[:-1], ends


def column(rows: list[list[Any]], kind: pa.DataType) -> pa.Array:
    """Rows as a column of this type, NaN as null."""
    import pyarrow as pa

    channels = [channel for row in rows for channel in row]
    flat = pa.array(np.concatenate([*channels, np.zeros(0)]), pa.float64(), from_pandas=True)
    inner = pa.ListArray.from_arrays(_offsets(channels), flat)
    return pa.ListArray.from_arrays(_offsets(rows), inner).cast(kind)


def _offsets(lists: list[Any]) -> pa.Array:
    import pyarrow as pa

    return pa.array(np.cumsum([0, *map(len, lists)]), pa.int32())


def fitted(channel: Any, kind: pa.DataType) -> Any:
    """The values as a column of this type will hold them."""
    import pyarrow as pa

    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind):
        return whole(channel, kind)
    return channel.astype(kind.to_pandas_dtype()).astype(np.float64)


def key(series: list[Any]) -> int:
    """Equal for equal series alone, whatever their gaps are written as."""
    digest = xxhash.xxh3_64()
    for channel in series:
        digest.update(len(channel).to_bytes(8, "little"))
        digest.update((np.where(np.isnan(channel), np.nan, channel) + 0.0).tobytes())  # -0 is 0
    return digest.intdigest() or 1
