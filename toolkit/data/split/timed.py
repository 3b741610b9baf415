"""Division by time: the oldest rows first, and nothing of the past repeated later."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import columns
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

SLACK = 0.005  # share of the rows by which a border may be off so that it falls between two times; a part has two
_ROUNDS = 10  # rows that leave shift the borders, and shifted borders other rows
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T\s]+(.+))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def times(table: pa.Table, source: str) -> Any:
    """(n,) the `time` of each row as a number: numbers as they are, dates as microseconds since 1970 (UTC, if no zone).

    Raises:
        ToolkitError: a cell is empty, or neither a number nor a date that starts with the year.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column("time").combine_chunks()
    kind = column.type
    missing = columns.blank(column)
    if pa.types.is_floating(kind):
        missing = pc.or_(missing, pc.fill_null(pc.is_nan(column), True))
    if pc.any(missing).as_py():
        first = table.column("id")[missing.index(True).as_py()].as_py()
        raise ToolkitError(
            f"{source}: {pc.sum(missing).as_py()} rows have no time (first: id {first})", "fill it in, or remove them"
        )
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.to_numpy()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pc.cast(column, pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return column.cast(pa.int64() if kind.bit_width == 64 else pa.int32()).to_numpy()
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind):
        raise ToolkitError(f"{source}: the time column is of type {kind}", "name another one with --time")
    coded = column.cast(pa.string()).dictionary_encode()
    return _parsed(coded.dictionary.to_pylist(), coded.indices.to_numpy(), table, source)


def _parsed(values: list[str], indices: Any, table: pa.Table, source: str) -> Any:
    """Written times: as numbers where all are, else as dates."""
    numbers = [_number(value) for value in values]
    if None not in numbers:
        return np.array(numbers, np.float64)[indices]
    moments = [_moment(value) for value in values]
    if None in moments:
        neither = [k for k, moment in enumerate(moments) if moment is None and numbers[k] is None]
        bad = neither[0] if neither else moments.index(None)
        why = "which is neither a number nor a date" if neither else "where other rows have dates"
        raise ToolkitError(
            f"{source}: row {table.column('id')[int((indices == bad).argmax())].as_py()} has the time "
            f"'{values[bad][:40]}', {why}",
            "write dates as 2025-01-31 or 2025-01-31T08:00:00",
        )
    return np.array(moments, np.int64)[indices]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _moment(text: str) -> int | None:
    """Microseconds since 1970 of a date in ISO 8601, or as 2025/1/31 and 2025年1月31日; None where it is none."""
    found = _DATE.fullmatch(text.strip())
    if found:
        year, month, day, rest = found.groups()
        text = f"{year}-{month:0>2}-{day:0>2}" + (f"T{rest}" if rest else "")
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def ordered(when: Any, clusters: Any, shares: Sequence[float], seed: int) -> tuple[Any, int]:
    """A part's number for each row, the oldest in part 0; and how many rows share their time across a border.

    A cluster is of the part that its oldest row is in: its later rows get -1, for in a later part they would repeat
    what came before. Borders fall between two times where one is near enough (`SLACK`), else rows of equal time are
    divided by chance. The shares are those of the rows that stay.
    """
    count = len(when)
    order = np.lexsort((np.random.default_rng(seed).permutation(count), when))
    sorted_times, cluster = when[order], np.unique(clusters[order], return_inverse=True)[1]
    stays = np.ones(count, dtype=bool)
    for _ in range(_ROUNDS):
        borders = _borders(sorted_times, stays, shares)
        part = np.searchsorted(borders, np.arange(count), side="right")
        first = np.full(cluster.max() + 1, len(shares))
        np.minimum.at(first, cluster, part)
        before, stays = stays, part == first[cluster]
        if (stays == before).all():
            break
    met = {sorted_times[b] for b in borders if 0 < b < count and sorted_times[b] == sorted_times[b - 1]}
    tied = int(np.isin(sorted_times, list(met)).sum())
    out = np.empty(count, np.int64)
    out[order] = np.where(stays, part, -1)
    return out, tied


def _borders(sorted_times: Any, stays: Any, shares: Sequence[float]) -> list[int]:
    """Where each part but the first begins, by the rows that stay."""
    before = np.concatenate([[0], np.cumsum(stays)])  # rows that stay before each place
    total = int(before[-1])
    edges = np.flatnonzero(sorted_times[1:] != sorted_times[:-1]) + 1
    out = []
    for share in np.cumsum(shares)[:-1]:
        target = round(float(share) * total)
        place = int(np.searchsorted(before, target))
        if len(edges):
            near = edges[np.abs(before[edges] - target).argmin()]
            if abs(before[near] - target) <= SLACK * total:
                place = int(near)
        out.append(place)
    return out
