"""Readers of raw data: files and folders to one Arrow table a split.

Adding a format is one function and one line in `READERS`.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Mapping
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
            f"{path} holds no data that is read here", "name its files train, validation and test (.csv, .jsonl, .parquet …)"
        )
    for split, found in files.items():
        if len(found) > 1:
            raise ToolkitError(f"{path} holds {len(found)} files for {split}", f"keep one of {', '.join(f.name for f in found)}")
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
        raise ToolkitError(f"the hub does not give the data set '{name}' ({type(e).__name__})", "give a file or folder") from e


def read_hub(name: str) -> dict[str, pa.Table]:
    """A hub data set's splits under their standard names; others are left out."""
    import datasets

    found = datasets.load_dataset(name)
    return {SPLITS[split]: rows.with_format("arrow")[:] for split, rows in found.items() if split in SPLITS}


def _bytes(path: Path) -> bytes:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError) as e:
        raise ToolkitError(f"{path} is no whole gzip file", "pack it again") from e
    if not data.strip():
        raise ToolkitError(f"{path} is empty", "give a file with a header and rows")
    return data


def decode(data: bytes, name: str) -> str:
    """Bytes to text: UTF-8, a UTF-16 with its mark, GB 18030 or Windows-1252, whichever fits.

    Raises:
        ToolkitError: a binary file, or an encoding that cannot be told.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    elif b"\0" in data:
        raise ToolkitError(f"{name} is a binary file", "give a text file, or .parquet under its own name")
    else:
        encodings = ("utf-8-sig", "gb18030", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding.startswith("utf"):
            return text
        if _plausible(text, encoding):
            console.warn(f"{name} is not UTF-8: read as {encoding}")
            return text
    raise ToolkitError(f"{name} is not UTF-8 and no other encoding fits", "convert it: iconv -f ITS_ENCODING -t UTF-8")


_GB_COMMON = re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uff65“”‘’…—·]")
_WESTERN = re.compile(r"[À-ÖØ-öø-ÿŒœŠšŽžŸ€£¥§©®°±²³·¿¡ªº«»‘’“”–—…•™\u00a0]")


def _plausible(text: str, encoding: str) -> bool:
    """Nearly any bytes decode in an old code page; a real text shows common characters, and western ones sparsely."""
    if re.search(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", text):
        return False
    foreign = [c for c in text if ord(c) > 127]
    if encoding == "gb18030":
        return len(_GB_COMMON.findall(text)) >= 0.95 * len(foreign)
    return len(_WESTERN.findall(text)) >= 0.99 * len(foreign) and len(foreign) <= 0.3 * len(text)


def _read_delimited(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    data = decode(_bytes(path), path.name).encode()
    header = data.split(b"\n", 1)[0]
    delimiter = "\t" if _suffix(path) == ".tsv" else max(",;\t|", key=lambda d: header.count(d.encode()))
    try:
        return csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(block_size=1 << 24),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            # only what is empty is missing: "NA" and "null" may be words
            convert_options=csv.ConvertOptions(null_values=[""], strings_can_be_null=True),
        )
    except pa.ArrowInvalid as e:
        why = " ".join(str(e).split())[:200]
        raise ToolkitError(f"{path} does not parse as csv", f"{why}; quote fields that hold the delimiter") from e


def _read_lines(path: Path) -> pa.Table:
    rows = []
    for number, line in enumerate(decode(_bytes(path), path.name).splitlines(), 1):
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
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise ToolkitError(f"{path}: a column mixes types", " ".join(str(e).split())[:200]) from e


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
