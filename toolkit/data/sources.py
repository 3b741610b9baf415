"""Readers of raw data: files and folders to one Arrow table a split.

Adding a format is one function and one line in `READERS`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = {"train": "train", "validation": "validation", "dev": "validation", "val": "validation", "test": "test"}


def locate(path: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The data files behind a path, by split, and the names that were passed over. Imports nothing heavy.

    Raises:
        ToolkitError: a format that is not read, an empty file, or a folder without a split.
    """
    if path.is_file():
        if _suffix(path) not in READERS:
            raise ToolkitError(f"{path} is of a format that is not read", f"give one of {', '.join(READERS)} (.gz too)")
        return {"train": [_nonempty(path)]}, []
    files: dict[str, list[Path]] = {}
    passed_over = []
    for file in sorted(p for p in path.iterdir() if not p.name.startswith(".")):
        split = SPLITS.get(file.name.split(".")[0].lower())
        if split and file.is_file() and _suffix(file) in READERS:
            files.setdefault(split, []).append(_nonempty(file))
        else:
            passed_over.append(file.name)
    if not files:
        raise ToolkitError(
            f"{path} holds no data that is read here",
            "name its files train, validation and test (.csv, .jsonl, .parquet …)",
        )
    for split, found in files.items():
        if len(found) > 1:
            raise ToolkitError(
                f"{path} holds {len(found)} files for {split}", f"keep one of {', '.join(f.name for f in found)}"
            )
    order = ("train", "validation", "test")
    return {split: files[split] for split in order if split in files}, passed_over


def _suffix(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])


def _nonempty(path: Path) -> Path:
    if path.stat().st_size == 0:
        raise ToolkitError(f"{path} is empty", "give a file with a header and rows")
    return path


def read(files: Mapping[str, list[Path]]) -> dict[str, pa.Table]:
    """One table a split.

    Raises:
        ToolkitError: a file does not parse or has no rows (its line is named where it can be).
    """
    tables = {}
    for split, (path,) in files.items():
        table = READERS[_suffix(path)](path)
        if not table.num_rows:
            raise ToolkitError(f"{path} has a header but no rows", "give a file with rows")
        tables[split] = table
    return tables


def hub_revision(name: str) -> str:
    """The commit of a hub data set, so that a stamp means one content."""
    from huggingface_hub import dataset_info

    try:
        return str(dataset_info(name).sha)
    except Exception as e:
        raise ToolkitError(
            f"the hub does not give the data set '{name}' ({type(e).__name__})", "give a file or folder"
        ) from e


def read_hub(name: str) -> dict[str, pa.Table]:
    """A hub data set's splits under their standard names; others are left out."""
    import datasets

    found = datasets.load_dataset(name)
    return {SPLITS[split]: rows.with_format("arrow")[:] for split, rows in found.items() if split in SPLITS}


def _bytes(path: Path) -> bytes:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as e:
        raise ToolkitError(f"{path} is no whole gzip file", "pack it again") from e
    if not data.strip():
        raise ToolkitError(f"{path} is empty", "give a file with a header and rows")
    return data


def decode(data: bytes, name: str) -> str:
    """Bytes to text: UTF-8, a UTF-16 with its mark, GB 18030 or Windows-1252, whichever fits.

    Raises:
        ToolkitError: a binary file, or an encoding that cannot be told.
    """
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not marked and b"\0" in data:
        raise ToolkitError(f"{name} is a binary file", "give a text file, or .parquet under its own name")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            _demand_one_encoding(data, name)
            continue
        if encoding.startswith("utf") and "\0" not in text:
            return text
        if not encoding.startswith("utf") and _plausible(text, encoding):
            console.warn(f"{name} is not UTF-8: read as {encoding}")
            return text
    raise ToolkitError(f"{name} is not UTF-8 and no other encoding fits", "convert it: iconv -f ITS_ENCODING -t UTF-8")


_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_GB_COMMON = re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uff65“”‘’…—·]")
_WESTERN = re.compile(r"[À-ÖØ-öø-ÿŒœŠšŽžŸ€£¥§©®°±²³·¿¡ªº«»‘’“”–—…•™\u00a0]")


def _plausible(text: str, encoding: str) -> bool:
    """Nearly any bytes decode in an old code page; a real text shows common characters, and western ones sparsely."""
    if len(_CONTROL.findall(text)) > 0.01 * len(text):
        return False
    foreign = sum(ord(c) > 127 for c in text)
    if encoding == "gb18030":
        han = _HAN.findall(text)
        everyday = sum(c in _everyday() for c in han)
        return len(_GB_COMMON.findall(text)) >= 0.95 * foreign and everyday >= 0.4 * len(
            han
        )  # half, in traditional script
    return len(_WESTERN.findall(text)) >= 0.99 * foreign and foreign <= 0.3 * len(text)


@cache
def _everyday() -> frozenset[str]:
    """The 3,755 characters of GB 2312's first level: nearly all of a real text, a fifth of a wrong one."""
    pairs = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    return frozenset("".join(pair.decode("gb2312", errors="ignore") for pair in pairs))


def _demand_one_encoding(data: bytes, name: str) -> None:
    """A file that is not UTF-8 has no line that is, or it was put together from several."""
    good, bad = [], []  # line numbers
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            if len(line.decode()) < len(line) - 2:  # two bytes may be UTF-8 by chance
                good.append(number)
        except UnicodeDecodeError:
            bad.append(number)
    if good and bad:
        odd = f"line {bad[0]} is not UTF-8 and others are"
        if len(good) < len(bad):
            odd = f"line {good[0]} is UTF-8 and others are not"
        raise ToolkitError(f"{name} mixes encodings: {odd}", "mend that line, or convert each part with iconv")


def _read_delimited(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    text = decode(_bytes(path), path.name).lstrip("\r\n")
    header = re.sub(r'"[^"]*"', "", text[: re.search(r"[\r\n]|$", text).start()])  # type: ignore[union-attr]
    delimiter = "\t" if _suffix(path) == ".tsv" else max(",;\t|", key=header.count)
    ragged = []

    def refuse(row: Any) -> str:
        ragged.append(f"row {row.number} has {row.actual_columns} columns, the header {row.expected_columns}")
        return "error"

    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        table = arrow_csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=arrow_csv.ReadOptions(block_size=1 << 24, use_threads=False),  # threads would not count rows
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
            # only what is empty is missing: "NA" and "null" may be words
            convert_options=arrow_csv.ConvertOptions(
                null_values=[""], strings_can_be_null=True, column_types=dict.fromkeys(names, pa.string())
            ),
        )
    except (pa.ArrowInvalid, csv.Error) as e:
        why = ragged[0] if ragged else " ".join(str(e).split())[:200]
        raise ToolkitError(f"{path} does not parse as csv", f"{why}; quote fields that hold the delimiter") from e
    return pa.table([_typed(column) for column in table.columns], names=table.column_names)


_WHOLE = re.compile(r"-?\d{1,15}(\.0)?|nan|NaN")  # whole numbers in a column of floats, and pandas' gaps


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as numbers where all of it is, unless that would lose how they are written (007, 1.10)."""
    import pyarrow as pa

    if column.null_count == len(column):
        return column
    try:
        whole = column.cast(pa.int64())
        return whole if whole.cast(pa.string()).equals(column) else column
    except pa.ArrowInvalid:
        pass
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return column
    written = zip(column.to_pylist(), numbers.to_pylist(), strict=True)
    kept = all(text is None or text == repr(number) or _WHOLE.fullmatch(text) for text, number in written)
    return numbers if kept else column


def _read_lines(path: Path) -> pa.Table:
    rows = []
    for number, line in enumerate(decode(_bytes(path), path.name).split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as e:
                raise ToolkitError(f"{path}, line {number} is no JSON", str(e)) from e
    return _from_rows(rows, path)


def _read_json(path: Path) -> pa.Table:
    try:
        rows = json.loads(decode(_bytes(path), path.name))
    except ValueError as e:
        raise ToolkitError(f"{path} is no JSON", str(e)) from e
    if isinstance(rows, dict):
        rows = rows.get("data", rows)
    return _from_rows(rows, path)


def _from_rows(rows: Any, path: Path) -> pa.Table:
    import pyarrow as pa

    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ToolkitError(f"{path} holds no list of objects", 'write [{"text": …, "label": …}, …]')
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pa.table({name: [row.get(name) for row in rows] for name in names})
    except (ValueError, TypeError, OverflowError) as e:
        raise ToolkitError(
            f"{path}: a column mixes types or holds what no column can", " ".join(str(e).split())[:200]
        ) from e


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as e:
        raise ToolkitError(f"{path} is no whole parquet file", " ".join(str(e).split())[:200]) from e


READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".json": _read_json,
    ".jsonl": _read_lines,
    ".parquet": _read_parquet,
}
