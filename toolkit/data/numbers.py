"""Numeric columns and series as arrays: which count, what is usual in them, and what each series looks like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_DISTINCT = 11  # a column of fewer values (years, codes, ratings) has no outliers: its values are classes
FEW = 0.1  # more rows than this share are no outliers
_IDENTIFIER = re.compile(r"(?i:(?:^|[\s_.-])(?:id|uuid|guid)$|^unnamed: ?\d+$)|[a-z]I[Dd]$|(?:编号|序号)$")
_MAD = 0.6745  # the third quartile of the standard normal distribution: MAD / 0.6745 estimates sigma
_MEAN_DEVIATION = 1.253314  # sqrt(pi / 2): the mean absolute deviation times this estimates sigma


def is_identifier(name: str) -> bool:
    """Whether a column names rows or things ("user_id", "Individual ID", "编号"): its values are no quantities."""
    return bool(_IDENTIFIER.search(name.strip()))


def numeric(table: pa.Table, names: Iterable[str]) -> list[str]:
    """Those of the columns that hold quantities: integers, floats and decimals, but for identifiers."""
    import pyarrow as pa

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return [n for n in names if not is_identifier(n) and any(test(table.schema.field(n).type) for test in tests)]


def usual(values: Any, method: str, bound: float, least: int = 2) -> tuple[float, float] | None:
    """The lowest and the highest usual value; None where there are fewer than `least` different ones.

    `sigma`: mean ± bound x standard deviation. `mad`: |0.6745 (x - median) / MAD| of at most `bound` (Iglewicz and
    Hoaglin, 1993); where more than half of the values are equal, MAD is 0 and the mean absolute deviation stands in.
    """
    values = np.sort(values[np.isfinite(values)])  # sorted, so that sums do not depend on the order of the rows
    if not len(values) or 1 + np.count_nonzero(np.diff(values)) < least:
        return None
    if method == "sigma":
        centre, scale = float(values.mean()), float(values.std())
    else:
        centre = float(np.median(values))
        away = np.sort(np.abs(values - centre))
        scale = float(np.median(away)) / _MAD or float(away.mean()) * _MEAN_DEVIATION
    return centre - bound * scale, centre + bound * scale


def clipped(columns: Sequence[Any], fit: Any, method: str, bound: float) -> tuple[list[Any], list[float]]:
    """Bounds of the usual, fitted again without the rows outside until no row is outside (sigma clipping).

    What is not rare is not unusual: where more than a share `FEW` of the rows (and more than two) are outside, it is by
    a second mode or a tail, and cutting it off makes the next. Such a column has no bounds in that round, and neither
    has any where so many rows are outside by one column or the other.

    Args:
        columns: float64 arrays over all rows, NaN where missing.
        fit: bool array, the rows to fit on.

    Returns:
        For each round the bounds of each column (None: not examined); the last round leaves no fitted row outside
        that all earlier ones left inside. And for each column the share of rows outside that it did not take for that.
    """
    inside, rounds = fit.copy(), []
    while True:
        most = max(FEW * inside.sum(), 2)
        bounds: list[tuple[float, float] | None] = []
        shares, out = [], np.zeros(len(fit), dtype=bool)
        for values in columns:
            limits = usual(values[inside], method, bound, LEAST_DISTINCT)
            here = inside & outside(values, limits) if limits else np.zeros(0)
            crowded = here.sum() > most
            bounds.append(None if crowded else limits)
            shares.append(float(here.sum() / max(inside.sum(), 1)))
            if limits and not crowded:
                out |= here
        if out.sum() > most:
            bounds = [None] * len(columns)
        rounds.append(bounds)
        if out.sum() > most or not out.any():
            return rounds, [0.0 if limits else share for limits, share in zip(bounds, shares, strict=True)]
        inside &= ~out


def outside(values: Any, limits: tuple[float, float]) -> Any:
    """Bool array: which values are below or above; a missing one is neither."""
    return (values < limits[0]) | (values > limits[1])


def flatten(series: pa.ChunkedArray) -> tuple[Any, Any, Any]:
    """All values of a column of series one by one (float64, NaN where missing), with channel and row (int32)."""
    import pyarrow.compute as pc

    parts, start = [], 0
    for chunk in series.chunks:
        row = pc.list_parent_indices(chunk).to_numpy()
        channels = np.bincount(row, minlength=len(chunk))
        channel = np.arange(len(row)) - np.repeat(np.cumsum(channels) - channels, channels)
        inner = pc.list_flatten(chunk)
        owner = pc.list_parent_indices(inner).to_numpy()
        values = pc.list_flatten(inner).cast("float64").to_numpy(zero_copy_only=False)
        parts.append((values, channel[owner].astype(np.int32), (row[owner] + start).astype(np.int32)))
        start += len(chunk)
    if not parts:
        return np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int32)
    values, channel, row = (np.concatenate(part) for part in zip(*parts, strict=True))
    return values, channel, row


def with_values(series: pa.ChunkedArray, values: Any) -> pa.ChunkedArray:
    """The series with other values (float64, in the order of `flatten`), of the same shape; NaN becomes null."""
    import pyarrow as pa

    chunks, start = [], 0
    for chunk in series.chunks:
        inner = chunk.flatten()
        size = len(inner.flatten())
        part = pa.array(values[start : start + size], pa.float64(), from_pandas=True)
        start += size
        lists = pa.ListArray.from_arrays(_offsets(inner), part, mask=inner.is_null() if inner.null_count else None)
        chunks.append(
            pa.ListArray.from_arrays(_offsets(chunk), lists, mask=chunk.is_null() if chunk.null_count else None)
        )
    return pa.chunked_array(chunks, pa.list_(pa.list_(pa.float64())))


def _offsets(lists: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())


def channel_name(channel: int) -> str:
    """How reports and stored parameters call a channel (counted from 0 in arrays, from 1 here)."""
    return f"channel {channel + 1}"


def series_statistics(series: pa.ChunkedArray) -> dict[str, Any]:
    """Length, and mean, standard deviation and range of each channel: float64 arrays over all rows."""
    values, channel, row = flatten(series)
    many = int(channel.max()) + 1 if len(channel) else 1
    key = row.astype(np.int64) * many + channel  # ascends, so equal keys are neighbours
    first = np.flatnonzero(np.diff(key, prepend=-1))
    shape = (len(series), many)
    lengths = np.bincount(key, minlength=shape[0] * many).reshape(shape)
    out = {"length": lengths.max(axis=1).astype(np.float64)}
    if not len(values):
        return out
    known = np.isfinite(values)

    def each(reduce: Any, filled: Any) -> Any:
        spread = np.full(shape[0] * many, np.nan)
        spread[key[first]] = reduce.reduceat(filled, first)
        return spread.reshape(shape)

    with np.errstate(invalid="ignore", divide="ignore"):  # of a channel without values nothing is known
        count = each(np.add, known.astype(np.float64))
        mean = each(np.add, np.where(known, values, 0.0)) / count
        away = np.where(known, values - mean.ravel()[key], 0.0)
        deviation = np.sqrt(each(np.add, away * away) / count)
        span = each(np.maximum, np.where(known, values, -np.inf)) - each(np.minimum, np.where(known, values, np.inf))
    for i in range(many):
        of = f" of {channel_name(i)}" if many > 1 else ""
        out |= {f"mean{of}": mean[:, i], f"standard deviation{of}": deviation[:, i], f"range{of}": span[:, i]}
    return out


def shown(value: float) -> str:
    """A number as it stands in a report: five digits, thousands parted."""
    return f"{value:,.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:,.5g}"
