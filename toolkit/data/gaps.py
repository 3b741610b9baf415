"""Gaps that are written into the cells of a table ("NA", "?"), where a file has no other way to leave one out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.data.roles import features_of

if TYPE_CHECKING:
    import pyarrow as pa

GAPS = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "<NA>", "?")


def read(tables: Mapping[str, pa.Table]) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """The features of tables with written gaps ("NA", "?") as nulls, numbers as numbers; also the gaps a column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from toolkit.data.sources import typed

    counts: dict[str, int] = {}
    out = {split: dict(zip(table.column_names, table.columns, strict=True)) for split, table in tables.items()}
    for name in features_of(next(iter(tables.values())).column_names):
        columns = {split: own[name] for split, own in out.items()}
        written = {split: column for split, column in columns.items() if pa.types.is_string(column.type)}
        numbers, filled, found = dict(columns), {}, 0
        for split, column in written.items():
            trimmed = pc.utf8_trim_whitespace(column)
            gaps = pc.is_in(trimmed, value_set=pa.array(GAPS))
            found += pc.sum(gaps).as_py() or 0
            gaps = pc.or_kleene(gaps, pc.equal(trimmed, ""))
            filled[split], trimmed = (pc.if_else(gaps, pa.scalar(None, pa.string()), c) for c in (column, trimmed))
            numbers[split] = typed(trimmed, exact=False)
        if found:
            counts[name] = found
        kinds = [column.type for column in numbers.values() if column.null_count < len(column)]
        all_numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
        for split in written:
            out[split][name] = (numbers if all_numbers else filled)[split]
    return {split: pa.table(own) for split, own in out.items()}, counts
