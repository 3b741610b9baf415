"""Readers of raw data: files and folders to one Arrow table a split.

Adding a format is one file here and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import console
from toolkit.data.sources import images
from toolkit.data.sources.delimited import read_delimited
from toolkit.data.sources.encoding import decode
from toolkit.data.sources.hub import hub_revision, read_hub
from toolkit.data.sources.images import embed_images
from toolkit.data.sources.numerals import typed
from toolkit.data.sources.objects import read_json, read_lines
from toolkit.data.sources.parquet import read_parquet
from toolkit.data.sources.splits import ORDER, SPLITS
from toolkit.data.sources.timeseries import read_ts
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "READERS",
    "SPLITS",
    "console",
    "decode",
    "embed_images",
    "hub_revision",
    "image_names",
    "locate",
    "read",
    "read_hub",
    "typed",
]

# (file, file to lay a large table out in or None) -> table
READERS: dict[str, Callable[[Path, Path | None], pa.Table]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".json": read_json,
    ".jsonl": read_lines,
    ".parquet": read_parquet,
    ".ts": read_ts,
}
_SHOWN = 10  # names of what was passed over


def locate(path: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The data files behind a path, by split, and the names that were passed over. Imports nothing heavy.

    A split is one file, or all images of an image folder (`class/*.jpg`, `split/class/*.jpg`).

    Raises:
        ToolkitError: a format that is not read, an empty file, or a folder without a split.
    """
    if path.is_file():
        if _suffix(path) not in READERS:
            raise ToolkitError(f"{path} is of a format that is not read", f"give one of {', '.join(READERS)} (.gz too)")
        return {"train": [_nonempty(path)]}, []
    files, passed_over = _split_files(path)
    if not files:
        files, passed_over = images.locate(path)
    if not files:
        raise ToolkitError(
            f"{path} holds no data that is read here",
            "name its files train, validation and test (.csv, .jsonl, .parquet …), or give CLASS/NAME.jpg",
        )
    if len(passed_over) > _SHOWN:
        passed_over = [*passed_over[:_SHOWN], f"{len(passed_over) - _SHOWN} more"]
    return files, passed_over


def _split_files(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Files named by split (train.csv), else those of the one data set that is named before it (NAME_TRAIN.ts)."""
    visible = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    by_name: dict[str, dict[str, list[Path]]] = {}  # data set ("" for none) -> split -> files
    for file in visible:
        name, _, last = file.name.split(".")[0].rpartition("_")
        split = SPLITS.get(last.lower())
        if split and _suffix(file) in READERS and file.is_file():
            by_name.setdefault(name, {}).setdefault(split, []).append(file)
    if "" not in by_name:
        by_name = {name: files for name, files in by_name.items() if "train" in files}
    if len(by_name) > 1 and "" not in by_name:
        raise ToolkitError(f"{folder} holds several data sets ({', '.join(sorted(by_name))})", "give one a folder")
    found = by_name.get("") or next(iter(by_name.values()), {})
    for split, files in found.items():
        if len(files) > 1:
            raise ToolkitError(
                f"{folder} holds {len(files)} files for {split}", f"keep one of {', '.join(f.name for f in files)}"
            )
    chosen = {split: [_nonempty(found[split][0])] for split in ORDER if split in found}
    used = {file for files in chosen.values() for file in files}
    return chosen, [file.name for file in visible if file not in used]


def _suffix(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])


def _nonempty(path: Path) -> Path:
    if path.stat().st_size == 0:
        raise ToolkitError(f"{path} is empty", "give a file with a header and rows")
    return path


def image_names(files: Mapping[str, list[Path]]) -> dict[str, list[str]]:
    """For an image folder each image's path below it, which tells its class; nothing for tables."""
    first = next((paths[0] for paths in files.values()), None)
    return images.names(files) if first is not None and images.is_image(first) else {}


def read(files: Mapping[str, list[Path]], spill: Path | None = None) -> dict[str, pa.Table]:
    """One table a split.

    Args:
        files: what `locate` gave.
        spill: a folder in which tables larger than `gather.SPILL_BYTES` are laid out, to be mapped from there.

    Raises:
        ToolkitError: a file does not parse or has no rows (its line is named where it can be).
    """
    tables = {}
    shown = image_names(files)
    for split, paths in files.items():
        aside = spill / f"{split}.arrow" if spill else None
        if split in shown:
            tables[split] = images.read_images(paths, shown[split], aside)
            continue
        tables[split] = READERS[_suffix(paths[0])](paths[0], aside)
        if not tables[split].num_rows:
            raise ToolkitError(f"{paths[0]} has a header but no rows", "give a file with rows")
    return tables
