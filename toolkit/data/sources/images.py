"""Folders of images, one folder a class, and tables that name image files. Nothing is decoded here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.data.sources.gather import gather
from toolkit.data.sources.splits import ORDER, SPLITS
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MAX_BYTES = 256 << 20  # of one image
_BLOCK = 16 << 20  # bytes


def is_image(path: Path) -> bool:
    """Told by its name."""
    return path.suffix.lower() in SUFFIXES


@dataclass
class _Listing:
    """What stands in a folder, sorted by name."""

    images: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def locate(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The images of `class/*.jpg` or `split/class/*.jpg` by split (none where there are none), and what is passed over.

    Raises:
        ToolkitError: images without a class folder, a link that leaves the folder, or two folders for one split.
    """
    root = Path(os.path.realpath(folder))
    top = _listing(folder, root)
    parts = {part: _classes(part, root) for part in top.folders if part.name.lower() in SPLITS}
    parts = {part: classes for part, classes in parts.items() if classes.images}
    if parts:
        others = [*top.images, *top.others, *(part for part in top.folders if part not in parts)]
        return _by_split(folder, parts), _below(folder, [*others, *(o for c in parts.values() for o in c.others)])
    classes = _classes(folder, root)
    if not classes.images and not top.images:
        return {}, []
    if all(image.parent.name.lower() in SPLITS for image in classes.images):
        raise ToolkitError(
            f"{folder} holds images in no class folder",
            "put each into a folder named by its class (CLASS/NAME.jpg), or give a table that names the files",
        )
    return {"train": classes.images}, _below(folder, classes.others)


def _by_split(folder: Path, parts: Mapping[Path, _Listing]) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for part, classes in parts.items():
        split = SPLITS[part.name.lower()]
        if split in files:
            raise ToolkitError(f"{folder} holds two folders for {split}", "keep one of them")
        files[split] = classes.images
    return {split: files[split] for split in ORDER if split in files}


def _below(folder: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(paths)]


def _classes(folder: Path, root: Path) -> _Listing:
    """The images in subfolders; all else that stands there, folders without images as one."""
    own = _listing(folder, root)
    out = _Listing(others=[*own.images, *own.others])
    for sub in own.folders:
        found = _listing(sub, root)
        out.images += found.images
        out.others += [*found.others, *found.folders] if found.images else [sub]
    return out


def _listing(folder: Path, root: Path) -> _Listing:
    out = _Listing()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            path = folder / entry.name
            if entry.is_symlink():
                _demand_inside(path, root)
            if entry.name.startswith("."):
                out.others.append(path)
            elif entry.is_dir():
                out.folders.append(path)
            elif entry.is_file() and is_image(path):
                _demand_name(path)
                out.images.append(path)
            else:
                out.others.append(path)
    return out


def _demand_inside(path: Path, root: Path) -> None:
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise ToolkitError(f"{path} is a link that leaves the folder", "copy what it points to into the folder")


def _demand_name(path: Path) -> None:
    try:
        f"{path.parent.name}/{path.name}".encode()
    except UnicodeEncodeError as e:
        shown = os.fsencode(path).decode(errors="replace")
        raise ToolkitError(f"the name of {shown} is not UTF-8", "rename it") from e


def names(files: Mapping[str, list[Path]]) -> dict[str, list[str]]:
    """Each image's path below the folder that was given: class/name, after the split where there are several."""
    tops = {image.parent.parent for images in files.values() for image in images}
    parts = 3 if len(tops) > 1 else 2
    return {split: ["/".join(image.parts[-parts:]) for image in images] for split, images in files.items()}


def read_images(paths: Sequence[Path], shown: Sequence[str], spill: Path | None = None) -> pa.Table:
    """Columns `image` (bytes and the path that is `shown`) and `label` (the class folder's name)."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for cells in _cells(zip(paths, shown, strict=True)):
            labels = [path.parent.name for path in paths[start : start + len(cells)]]
            start += len(cells)
            yield pa.record_batch({"image": cells, "label": pa.array(labels, pa.string())})

    return gather(batches(), paths[0].parent.parent, spill)


def _cells(files: Iterable[tuple[Path | None, str]]) -> Iterator[pa.Array]:
    """Arrays of struct<bytes, path> of bounded size; null where there is no file."""
    import pyarrow as pa

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells: list[dict[str, bytes | str] | None] = []
    size = 0
    for path, shown in files:
        if path is None:
            cells.append(None)
            continue
        length = path.stat().st_size
        if length > MAX_BYTES:
            raise ToolkitError(f"{path} is larger than {MAX_BYTES >> 20} MB", "make the image smaller, or remove it")
        if size and size + length > _BLOCK:
            yield pa.array(cells, kind)
            cells, size = [], 0
        cells.append({"bytes": path.read_bytes(), "path": shown})
        size += length
    if cells:
        yield pa.array(cells, kind)


def embed_images(table: pa.Table, column: str, root: Path, spill: Path | None = None) -> pa.Table:
    """The table with the image files that a column names (relative to `root`) in their place: struct<bytes, path>.

    A column that holds images already stays; a missing name stays missing.

    Raises:
        ToolkitError: a path that leaves `root` (links are followed), or that is no file; its row is named.
    """
    import pyarrow as pa

    index = table.column_names.index(column)
    kind = table.schema.field(index).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return table

    def batches() -> Iterator[pa.RecordBatch]:
        located = _located(table.column(index).to_pylist(), column, root)
        yield from (pa.record_batch({column: cells}) for cells in _cells(located))

    images = gather(batches(), root, spill)
    return table.set_column(index, column, images.column(0)) if table.num_rows else table


def _located(given: list[str | None], column: str, root: Path) -> Iterator[tuple[Path | None, str]]:
    top = os.path.realpath(root)
    for row, name in enumerate(given, 1):
        if name is None:
            yield None, ""
            continue
        try:
            path = Path(os.path.realpath(os.path.join(top, name)))
        except ValueError:  # a zero byte
            path = Path(top)
        if os.path.isabs(name) or not path.is_relative_to(top):
            raise ToolkitError(
                f"row {row}: the {column} '{name[:200]}' leaves the folder {root}",
                "give paths that are relative to the table's folder and stay in it",
            )
        if not path.is_file():
            raise ToolkitError(
                f"row {row}: there is no {column} '{name[:200]}' in {root}",
                "mend the path, or take the row out; what lies elsewhere must be copied there first",
            )
        yield path, name
