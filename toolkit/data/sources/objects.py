"""Lists of JSON objects: one document (json) or one object a line (jsonl), block by block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.data.sources import encoding
from toolkit.data.sources.gather import demand_columns, gather
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 8_192  # a block
MAX_DOCUMENT = 512 << 20  # bytes: as Python objects it takes ten times that

_DECODE = json.JSONDecoder().raw_decode

Block = tuple[Sequence[int], list[Any]]  # numbers of lines or rows, objects


class _Widened(Exception):
    """A block has columns or types that earlier ones had not."""


def read_lines(path: Path, spill: Path | None = None) -> pa.Table:
    """One object a line (jsonl); see `read_json`."""
    code = encoding.detect(path)
    return _table(lambda: _parsed_lines(path, code), path, "line", spill)


def read_json(path: Path, spill: Path | None = None) -> pa.Table:
    """A list of objects, or an object that holds it under `data`; or a Label Studio export.

    A column that mixes texts, numbers and truth values becomes text, which is told.

    Raises:
        ToolkitError: no such list, or a column that mixes lists or objects with something else (its row is named).
    """
    from toolkit.data import label_studio

    data, size = [], 0
    for block in encoding.blocks(path, encoding.detect(path, lines=False), lines=False):
        data.append(block)
        size += len(block)
        if size > MAX_DOCUMENT:
            raise ToolkitError(
                f"{path} is one document of more than {MAX_DOCUMENT >> 20} MB",
                "write it as .jsonl, one object a line, which is read piece by piece",
            )
    rows = _parsed(b"".join(data).decode(), path)
    del data
    if label_studio.is_export(rows):
        return label_studio.to_table(rows, path)
    if isinstance(rows, dict):
        rows = rows.get("data", rows)
    if not isinstance(rows, list):
        raise _no_list(path)
    return _table(
        lambda: ((range(i + 1, len(rows) + 1), rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)),
        path,
        "row",
        spill,
    )


def _no_list(path: Path, where: str = "") -> ToolkitError:
    return ToolkitError(f"{path} holds no list of objects{where}", 'write [{"text": …, "label": …}, …]')


def _parsed(text: str, path: Path, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        where = f"{path}, line {line}" if line else str(path)
        why = "it nests too deep: flatten it" if isinstance(e, RecursionError) else str(e)
        raise ToolkitError(f"{where} is no JSON that can be read", why) from e


def _parsed_lines(path: Path, code: str) -> Iterator[Block]:
    first = 1  # number of a block's first line
    for lines in encoding.line_blocks(path, code):
        for start in range(0, len(lines), ROWS):
            numbers, rows = [], []
            for number, line in enumerate(lines[start : start + ROWS], first + start):
                line = line.strip(" \t\r")
                if line and not line.isspace():
                    numbers.append(number)
                    rows.append(_parsed_line(line, path, number))
            if rows:
                yield numbers, rows
        first += len(lines)


def _parsed_line(line: str, path: Path, number: int) -> Any:
    """What `json.loads` gives, in less than half of its time."""
    try:
        value, end = _DECODE(line)
    except (ValueError, RecursionError):
        end = -1
    return value if end == len(line) else _parsed(line, path, number)


def _table(opened: Callable[[], Iterable[Block]], path: Path, unit: str, spill: Path | None) -> pa.Table:
    """The rows of all blocks, by a second pass where a block changes what the first ones told of the columns."""
    mixed: set[str] = set()
    fields: dict[str, pa.DataType] = {}
    try:
        table = gather(_batches(opened(), fields, mixed, path, unit), path, spill)
    except _Widened:
        for numbers, rows in opened():
            _widen(fields, mixed, numbers, rows, path, unit)
        table = gather(_batches(opened(), fields, mixed, path, unit), path, spill)
    if mixed:
        names = ", ".join(f"'{name}'" for name in fields if name in mixed)
        console.warn(f"{path.name}: texts, numbers or truth values are mixed in {names}: read as text")
    return table


def _batches(
    blocks: Iterable[Block], fields: dict[str, pa.DataType], mixed: set[str], path: Path, unit: str
) -> Iterator[pa.RecordBatch]:
    """Blocks as Arrow; `fields` (name -> type) is filled by the first of them where it is empty."""
    import pyarrow as pa

    known = bool(fields)
    for numbers, rows in blocks:
        found = dict(fields)
        columns = _widen(found, mixed, numbers, rows, path, unit)
        widened = known and found != fields
        fields.update(found)
        if widened:
            raise _Widened
        known = True
        arrays = []
        for name, kind in fields.items():
            values = columns.get(name) or [None] * len(rows)
            try:
                arrays.append(_array(values, kind))
            except (ValueError, TypeError, OverflowError) as e:
                row = next(n for n, value in zip(numbers, values, strict=False) if not _fits(value, kind))
                if pa.types.is_nested(kind):
                    raise _mixture(path, name, f"{unit} {row}") from e
                raise ToolkitError(
                    f"{path}, {unit} {row}: column '{name}' holds what no column can", " ".join(str(e).split())[:200]
                ) from e
        yield pa.record_batch(arrays, schema=pa.schema(list(fields.items())))


def _widen(
    fields: dict[str, pa.DataType],
    mixed: set[str],
    numbers: Sequence[int],
    rows: list[Any],
    path: Path,
    unit: str,
) -> dict[str, list[Any]]:
    """The rows' values by column, after their types were joined to those in `fields`."""
    import pyarrow as pa

    odd = next((n for n, row in zip(numbers, rows, strict=False) if not isinstance(row, dict)), None)
    if odd is not None:
        raise _no_list(path, f" ({unit} {odd})")
    names = list(dict.fromkeys(name for row in rows for name in row))
    demand_columns([*fields, *(name for name in names if name not in fields)], path)
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        before = fields.get(name, pa.null())
        try:
            fields[name] = _joined(before, _type_of(values))
        except (ValueError, TypeError) as e:
            raise _mixture(path, name, f"{unit} {_first_odd(before, numbers, values)}") from e
        if fields[name] == pa.string() and (before not in (pa.null(), pa.string()) or _mixes(values)):
            mixed.add(name)
    return columns


def _mixture(path: Path, name: str, where: str) -> ToolkitError:
    return ToolkitError(
        f"{path}: column '{name}' mixes types: what is in {where} does not go with the rest",
        "give each column one type, or write such values as text",
    )


def _mixes(values: list[Any]) -> bool:
    return bool(set(map(type, values)) - {str, type(None)})


def _type_of(values: list[Any]) -> pa.DataType:
    """The type of a column of JSON values: text where scalars are mixed."""
    import pyarrow as pa

    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.null()
    if kinds <= {int, float}:
        return pa.float64() if float in kinds else pa.int64()
    if kinds == {bool}:
        return pa.bool_()
    if kinds <= {str, int, float, bool}:
        return pa.string()
    if kinds not in ({list}, {dict}):
        raise TypeError
    kind = pa.infer_type(values)
    return pa.null() if kind == pa.struct([]) else kind  # objects without keys say nothing


def _joined(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The type of a column of which one part is of the first type and one of the second."""
    import pyarrow as pa

    if pa.types.is_null(first) or first == second:
        return second
    if pa.types.is_null(second):
        return first
    nested = pa.types.is_nested(first) or pa.types.is_nested(second)
    if nested or {first, second} == {pa.int64(), pa.float64()}:
        fields = [pa.schema([("", kind)]) for kind in (first, second)]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    return pa.string()


def _first_odd(before: pa.DataType, numbers: Sequence[int], values: list[Any]) -> int:
    for number, value in zip(numbers, values, strict=False):
        try:
            before = _joined(before, _type_of([value]))
        except (ValueError, TypeError):
            return number
    return numbers[0]


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    if pa.types.is_string(kind) and _mixes(values):
        values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pa.array(values, kind)


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        _array([value], kind)
    except (ValueError, TypeError, OverflowError):
        return False
    return True
