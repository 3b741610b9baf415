"""What a delimited file's quotes mean, and which line breaks it: slow passes that only odd files need."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.data.sources import encoding

_CLOSED = re.compile(r'"(?:[^"]|"")*"')
_OPEN_QUOTE = "close the quote, or double it where it belongs to the text"
_DELIMITER = "quote fields that hold the delimiter"


def has_quotes(path: Path, code: str) -> bool:
    """Whether there is a quote anywhere."""
    return any(b'"' in block for block in encoding.blocks(path, code))


def quotes_in_tabs(path: Path, code: str) -> bool:
    """Whether the quotes of a tab-separated file stand around fields; else they are ordinary characters.

    They do where each field that begins with one ends with one. Otherwise, where all lines have the header's number
    of tabs, they do not; and where not all have it, they do if the file parses strictly (line breaks in fields).
    """
    closed, even, width = True, True, -1
    for line in _lines(path, code):
        line = line.rstrip("\r\n")
        if not line:
            continue
        width = line.count("\t") if width < 0 else width
        even = even and line.count("\t") == width > 0
        if closed and '"' in line:
            closed = all(_CLOSED.fullmatch(field) for field in line.split("\t") if field.startswith('"'))
        if not closed and not even:
            return _parses(path, code)
    return closed


def _parses(path: Path, code: str) -> bool:
    """Whether each record has the header's fields, and a quote that opens a field closes it."""
    width = 0
    try:
        with _wide_fields():
            for row in csv.reader(_lines(path, code), delimiter="\t", strict=True):
                width = width or len(row)
                if row and len(row) != width:
                    return False
    except csv.Error:
        return False
    return True


def why(path: Path, code: str, delimiter: str, quoted: bool) -> tuple[str, str] | None:
    """The first line that breaks the file, as (what is wrong, what to do); None where Python finds nothing."""
    lines = _Lines(_lines(path, code))
    rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    width, start = 0, 1
    with _wide_fields():
        try:
            for row in rows:
                width = width or len(row)
                if lines.ended:
                    return f"the quote that opens in line {start} is never closed", _OPEN_QUOTE
                if row and len(row) != width:
                    return f"line {start} has {len(row)} columns, the header {width}", _DELIMITER
                start = rows.line_num + 1
        except csv.Error:
            return f"the row from line {start} on is longer than {encoding.MAX_LINE >> 20} MB", _OPEN_QUOTE
    return None


class _Lines:
    """Lines that know when one was asked for past the last: within a row, a quote is open there."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self.ended = lines, False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            self.ended = True
            raise


def _lines(path: Path, code: str) -> Iterator[str]:
    return iter(io.TextIOWrapper(encoding.stream(encoding.blocks(path, code)), encoding="utf-8", newline=""))


@contextmanager
def _wide_fields() -> Iterator[None]:
    before = csv.field_size_limit(encoding.MAX_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)
