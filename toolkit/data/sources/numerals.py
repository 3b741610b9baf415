"""Columns of text that are numbers: told block by block, cast once all of them are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.data.sources.gather import gather

if TYPE_CHECKING:
    import pyarrow as pa

# Whole numbers in a column of floats, and pandas' gaps
_WHOLE = r"^(-?[1-9][0-9]{0,14}(\.0)?|0(\.0)?|nan|NaN)$"
_PLAIN = r"^-?(0|[1-9][0-9]*)\.[0-9]+$"
_QUANTITY = r"^(-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][-+]?[0-9]+)?|nan|NaN)$"
_EXACT = 10**15  # whole numbers below survive as floats
_MIN_PLAIN = 1e-4  # Python writes what is smaller with an exponent, Arrow does not

Kinds = list[frozenset[str] | None]  # of each column: what it may still be; None: it had no values yet
_ALL = frozenset(("int64", "float64"))


def typed(column: pa.ChunkedArray, *, exact: bool = True) -> pa.ChunkedArray:
    """Text as numbers where all of it is, unless that would lose how they are written (007, 1.10).

    Args:
        exact: without it zeros at the end may be lost (1.10 becomes 1.1): for columns that are known to be quantities.
    """
    import pyarrow.compute as pc

    known: frozenset[str] | None = None
    for chunk in column.chunks:
        known = _still(chunk, known)
    if known == frozenset() and not exact and pc.all(pc.match_substring_regex(column, _QUANTITY)).as_py():
        return column.cast("float64")
    return column.cast(_name(known))


def told(batches: Iterator[pa.RecordBatch], kinds: Kinds) -> Iterator[pa.RecordBatch]:
    """The batches as they are; `kinds` then tells which columns are numbers."""
    for batch in batches:
        kinds.extend([None] * (batch.num_columns - len(kinds)))
        for i, column in enumerate(batch.columns):
            kinds[i] = _still(column, kinds[i])
        yield batch


def _name(known: frozenset[str] | None) -> str:
    return "int64" if known and "int64" in known else "float64" if known else "string"


def _still(column: pa.Array, possible: frozenset[str] | None) -> frozenset[str] | None:
    """Which of the types still possible keep every value of a column of text as it is written (007, 1.10 do not)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return possible
    possible = _ALL if possible is None else possible
    text = column.drop_null() if possible else column
    if "int64" in possible:
        try:
            whole = text.cast(pa.int64())
        except pa.ArrowInvalid:
            whole = None
        if whole is not None and whole.cast(pa.string()).equals(text):
            bounds = pc.min_max(whole).as_py()
            survive = bounds["min"] > -_EXACT and bounds["max"] < _EXACT
            return possible if survive else possible - {"float64"}
        possible -= {"int64"}
    if "float64" not in possible:
        return possible
    try:
        numbers = text.cast(pa.float64())
    except pa.ArrowInvalid:
        return frozenset()
    same = pc.and_(pc.equal(numbers.cast(pa.string()), text), pc.match_substring_regex(text, _PLAIN))
    same = pc.and_(same, pc.greater_equal(pc.abs(numbers), _MIN_PLAIN))
    same = pc.or_(same, pc.match_substring_regex(text, _WHOLE))
    rest = text.filter(pc.invert(same)).to_pylist()
    return possible if all(value == repr(float(value)) for value in rest) else frozenset()


def retyped(table: pa.Table, kinds: Kinds, path: Path, spill: Path | None) -> pa.Table:
    """The table with numbers in the columns that were told; laid out again where it was laid out in `spill`."""
    import pyarrow as pa

    names = [_name(known) for known in kinds]
    if set(names) <= {"string"}:
        return table
    schema = pa.schema([(name, kind) for name, kind in zip(table.column_names, names, strict=True)])
    if spill is not None and spill.exists():
        again = gather((batch.cast(schema) for batch in table.to_batches()), path, spill.with_suffix(".typed"))
        spill.unlink()
        return again
    columns = table.columns
    del table  # so that each column of text is let go once it is cast
    for i, kind in enumerate(names):
        columns[i] = columns[i].cast(kind)
    return pa.table(columns, schema=schema)
