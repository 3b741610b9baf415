"""Checkpoints that are whole, proven and on the disk, or not there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from toolkit import console, digest

COMPLETE = "complete"  # written last: what the engine knew, and the size and digest of every file
ASIDE = "writing"  # where one is made before it gets its name
BEST = "best.safetensors"


def step_of(folder: Path) -> int:
    return int(folder.name.split("-")[1])


def all_in(folder: Path) -> list[Path]:
    """The checkpoints under their names, the oldest first, damaged ones too."""
    return sorted((p for p in folder.glob("checkpoint-*") if (p / COMPLETE).is_file()), key=step_of)


def seal(made: Path, known: dict[str, Any]) -> None:
    """Flush every file of a checkpoint to disk, then the mark that says what they must be."""
    files = {}
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        sync(path)
        files[path.relative_to(made).as_posix()] = [path.stat().st_size, digest.of_file(path)]
    mark = made / COMPLETE
    mark.write_text(json.dumps({"known": known, "files": files}))
    sync(mark)
    sync(made)


def publish(made: Path, folder: Path, keep: int) -> None:
    """Give a sealed checkpoint its name, then drop all but the `keep` newest. Nothing is ever half removed by name."""
    final = folder / made.name
    if final.exists():
        drop(final)
    made.rename(final)
    sync(folder)
    for old in all_in(folder)[:-keep]:
        drop(old)


def drop(old: Path) -> None:
    """Remove a checkpoint, whole or not at all."""
    gone = old.parent / ASIDE / f"old-{old.name}"
    shutil.rmtree(gone, ignore_errors=True)
    gone.parent.mkdir(exist_ok=True)
    old.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def newest(folder: Path) -> Path | None:
    """The newest checkpoint whose files are what they were; damaged ones after it are told of and removed."""
    for found in reversed(all_in(folder)):
        wrong = damage(found)
        if wrong is None:
            return found
        console.warn(f"{found} is damaged ({wrong}): passed over")
        drop(found)
    return None


def damage(found: Path) -> str | None:
    """The first file of a checkpoint that is not what it was; None where all are."""
    try:
        files = json.loads((found / COMPLETE).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return COMPLETE
    for name, (size, expected) in files.items():
        path = found / name
        try:
            if path.stat().st_size != size or digest.of_file(path) != expected:
                return str(name)
        except OSError:
            return str(name)
    return None


def known(found: Path) -> dict[str, Any]:
    """What the engine knew when the checkpoint was made."""
    out: dict[str, Any] = json.loads((found / COMPLETE).read_text())["known"]
    return out


def link(source: Path, target: Path) -> None:
    """The same file under a second name, so that a checkpoint holds it at no cost; a copy where links do not exist."""
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk, so that a rename after it cannot outlive what it renames."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):  # of file systems that cannot
            raise
    finally:
        os.close(handle)
