"""Delimited text (csv, tsv): streamed into Arrow; only empty cells are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.data.sources import encoding, numerals, records
from toolkit.data.sources.gather import MAX_COLUMNS, demand_columns, gather
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 22  # bytes


def read_delimited(path: Path, spill: Path | None = None) -> pa.Table:
    """One row a record under the header's names. Columns of numbers are numbers where none is written otherwise.

    Raises:
        ToolkitError: the file does not parse (its first odd line is named), or is beyond the limits.
    """
    import pyarrow as pa

    code = encoding.detect(path)
    header = re.split(rb"[\r\n]", encoding.stream(_content(path, code)).read(_BLOCK), maxsplit=1)[0]
    header = re.sub(rb'"[^"]*"', b"", header)
    tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
    delimiter = "\t" if tabs else max(",;\t|", key=lambda sign: header.count(sign.encode()))
    if header.count(delimiter.encode()) >= MAX_COLUMNS:
        demand_columns([""] * (header.count(delimiter.encode()) + 1), path)
    quoted = delimiter != "\t" or not records.has_quotes(path, code) or records.quotes_in_tabs(path, code)
    if not quoted:
        console.warn(f"{path.name}: quotes do not stand around its fields: read as ordinary characters")
    for size in (_BLOCK, encoding.MAX_LINE):  # the second for rows longer than the first
        kinds: numerals.Kinds = []
        try:
            table = gather(numerals.told(_batches(path, code, delimiter, quoted, size), kinds), path, spill)
        except pa.ArrowInvalid as e:
            if "straddling" in str(e) and size < encoding.MAX_LINE:
                continue
            found = records.why(path, code, delimiter, quoted)
            what, to_do = found or (" ".join(str(e).split())[:200], "mend that row")
            raise ToolkitError(f"{path} does not parse as csv", f"{what}; {to_do}") from e
        break
    last = table.column(-1)[-1].as_py() if table.num_rows else None
    # Arrow takes the end of the file for the end of a quote
    if last and last.endswith("\n") and (found := records.why(path, code, delimiter, quoted)):
        raise ToolkitError(f"{path} does not parse as csv", f"{found[0]}; {found[1]}")
    return numerals.retyped(table, kinds, path, spill)


def _content(path: Path, code: str) -> Iterator[bytes]:
    """The text from the header on; a line feed at the end, for a header that has none."""
    started = False
    for block in encoding.blocks(path, code):
        block = block if started else block.lstrip(b"\r\n")
        started = started or bool(block)
        yield block
    yield b"\n"


def _batches(path: Path, code: str, delimiter: str, quoted: bool, size: int) -> Iterator[pa.RecordBatch]:
    """Blocks of rows, all columns text."""
    import pyarrow as pa
    from pyarrow import csv

    def opened(names: list[str]) -> Any:
        return csv.open_csv(
            encoding.stream(_content(path, code)),
            read_options=csv.ReadOptions(block_size=size, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, quote_char='"' if quoted else False
            ),
            convert_options=csv.ConvertOptions(
                null_values=[""], strings_can_be_null=True, column_types=dict.fromkeys(names, pa.string())
            ),
        )

    names = opened([]).schema.names
    yield from opened(names)
