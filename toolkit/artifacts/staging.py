"""A folder appears under its final name only when it is complete.

Work goes into the hidden sibling `.NAME.partial/`, which carries the stamp of the step that works there and a lock that
dies with its process. Publishing is one rename; with an old artifact in the way, it is swapped out first.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.artifacts import manifest
from toolkit.errors import ToolkitError

# What the engines leave of an unfinished run that a later call can go on from.
RESUMABLE = ("checkpoints/*/complete", "study.db", "worker", "measured/*.json", "cut-*.json", "answers-*.f32")
WORK = "work"  # what the engine keeps while it runs (checkpoints, caches); never published
STAMP = "stamp.json"
STOPPED = "stopped.json"  # in `WORK`: a training that was no longer finite, and may go on with gentler options
LOCK = ".lock"
UNPUBLISHED = (f"{WORK}/", STAMP, LOCK)  # what stands in a work folder and is no part of the artifact
NO_SPACE = 1 << 20  # bytes free on a disk that counts as full


def partial_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")


def retired_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def recover(out: Path) -> None:
    """Finish what a process that died while it swapped folders left: the old artifact goes back, or goes."""
    retired = retired_of(out)
    if not retired.exists():
        return
    if out.exists():
        shutil.rmtree(retired, ignore_errors=True)
        return
    lock = None
    with contextlib.suppress(FileNotFoundError):  # no work folder: the process that swapped was killed long ago
        lock = _lock(partial_of(out), out)
    os.rename(retired, out)
    _unlock(lock)
    console.note(f"{out}: brought back; a replacement of it had been interrupted")


def _lock(folder: Path, out: Path) -> int | None:
    """Lock a work folder until the process dies or `_unlock`; None where the system has no such locks.

    Raises:
        ToolkitError: another process has it.
        FileNotFoundError: there is no such folder.
    """
    try:
        import fcntl
    except ImportError:  # two runs at once are the user's own risk
        return None
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = os.path.samestat(os.fstat(handle), os.stat(folder / LOCK))  # else it was published meanwhile
    except (BlockingIOError, FileNotFoundError):
        taken = False
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    if not taken:
        os.close(handle)
        raise ToolkitError(f"another process is writing {out}", "wait for it, or choose another --out")
    return handle


def _unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


class Staging:
    """The work folder of one run. `resumed` says whether an earlier run's work is in it."""

    def __init__(self, out: Path, stamp: str, *, base: str = "", resumable: bool, force: bool, replace: bool) -> None:
        self.out, self.stamp, self.base = out, stamp, base
        self.resumable, self.force, self.replace = resumable, force, replace
        self.folder = partial_of(out)
        self.resumed = False
        self.adjusted = False  # what was resumed had stopped under other options
        self.finished = False  # an earlier run wrote everything and died before the rename
        self._made: list[Path] = []
        self._lock: int | None = None

    @property
    def work(self) -> Path:
        return self.folder / WORK

    def open(self) -> None:
        """Take the folder: an abandoned one of the same stamp is reused where the step can resume, others go."""
        parent = self.out.parent
        while not parent.exists():
            self._made.append(parent)
            parent = parent.parent
        ours = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.folder, self.out)
            ours = True
            if not self.replace and is_taken(self.out):
                raise ToolkitError(f"{self.out} has appeared meanwhile", "call it again, or choose another --out")
            left_behind = manifest.whole(self.folder)
            if left_behind and left_behind["stamp"] == self.stamp:
                self.finished = True
                return
            self._settle_leftovers()
            self.work.mkdir(exist_ok=True)
            manifest.write_json(self.folder / STAMP, self._stamp())
        except BaseException:
            self._undo_open(ours)
            raise

    def _undo_open(self, ours: bool) -> None:
        """Leave what was there before `open`; what is in the folder is touched only if it is `ours`."""
        if ours:
            (self.folder / LOCK).unlink(missing_ok=True)
        for folder in (*[self.work] * ours, self.folder, *self._made):
            with contextlib.suppress(OSError):  # not empty, so not from here
                folder.rmdir()
        self._release()

    def _settle_leftovers(self) -> None:
        left = [p for p in self.folder.iterdir() if p.name != LOCK]
        if not left:
            return
        before, has_work = left_stamp(self.folder), self._has_work()
        same = before.get("stamp") == self.stamp
        stopped = before.get("base") == self.base and (self.work / STOPPED).is_file() and not self.force
        if (same or stopped) and self.resumable and has_work:
            self.resumed, self.adjusted = True, not same or before.get("adjusted", False)
            left = [p for p in left if p not in (self.work, self.folder / STAMP)]
        elif has_work and not self.force:
            raise ToolkitError(
                f"{self.folder} holds unfinished work of a run with other options or inputs",
                "call it with those to resume, or add --force to discard it",
            )
        else:
            console.note(f"{self.folder}: removed what an interrupted run had left")
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _has_work(self) -> bool:
        """Whether something is there that a later call can go on from; logs alone are not."""
        return any(next(self.work.glob(pattern), None) is not None for pattern in RESUMABLE)

    def _stamp(self) -> dict[str, Any]:
        return {"stamp": self.stamp, "base": self.base, "adjusted": self.adjusted, "started": time.time()}

    def _release(self) -> None:
        _unlock(self._lock)
        self._lock = None

    def publish(self) -> None:
        """Move the finished folder to its final name; the lock goes with it, so that no other process comes between."""
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            (self.folder / STAMP).unlink(missing_ok=True)
            _open_to_readers(self.folder)
            _sync(self.folder)
            replaced = self._make_way()
            try:
                os.rename(self.folder, self.out)
            except OSError:
                if replaced:
                    os.rename(replaced, self.out)
                raise
            _sync(self.out.parent)
            (self.out / LOCK).unlink(missing_ok=True)
            if replaced == retired_of(self.out):
                shutil.rmtree(replaced, ignore_errors=True)
        finally:
            self._release()

    def _make_way(self) -> Path | None:
        """Move what is at `out` aside, and say where; only what is an artifact is ever removed."""
        if not is_taken(self.out):
            return None
        if is_artifact(self.out):
            aside = retired_of(self.out)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside = self.out.with_name(f"{self.out.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
            console.warn(f"{self.out} was no artifact: kept as {aside}")
        os.rename(self.out, aside)
        return aside

    def abandon(self) -> bool:
        """After a failure: keep the folder if a later call can resume from it (True), else leave nothing behind."""
        keep = self.resumable and self._has_work()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            for parent in self._made:
                with contextlib.suppress(OSError):
                    parent.rmdir()
        self._release()
        return keep


def left_stamp(folder: Path) -> dict[str, Any]:
    """What the step that works, or worked, in a work folder noted of itself."""
    try:
        return dict(json.loads((folder / STAMP).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def is_taken(path: Path) -> bool:
    """Whether something stands there that a new folder must not take the place of: all but an empty folder."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def is_artifact(path: Path) -> bool:
    try:
        return manifest.read(path) is not None
    except ToolkitError:
        return False


def _open_to_readers(folder: Path) -> None:
    """Give every file the mode that the user's umask means: libraries write some through private temporary files."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o666 & ~umask)


def _sync(folder: Path) -> None:
    """Flush a folder's entries to disk, so that the rename after it cannot outlive what it renames."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _is_full(folder: Path, e: Exception) -> bool:
    """Whether a failure came from a full disk; libraries tell it in errors of their own."""
    if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    with contextlib.suppress(OSError):
        return "No space left" in str(e) or shutil.disk_usage(folder).free < NO_SPACE
    return False


@contextlib.contextmanager
def stage(out: Path, stamp: str, *, base: str = "", resumable: bool, force: bool, replace: bool) -> Iterator[Staging]:
    """Open a staging folder, and publish it unless the body fails.

    Args:
        base: the stamp without what may differ when a run that had stopped as not finite is gone on with.
        force: discard what a run with another stamp left unfinished.
        replace: something is at `out` and may be replaced.
    """
    staging = Staging(out, stamp, base=base, resumable=resumable, force=force, replace=replace)
    staging.open()
    try:
        yield staging
    except BaseException as e:
        full = isinstance(e, Exception) and not isinstance(e, ToolkitError) and _is_full(staging.folder, e)
        kept = staging.abandon()
        how = f"its work so far is kept in {staging.folder}, the same call resumes" if kept else ""
        if full:
            raise ToolkitError(f"the disk of {out} is full", "; ".join(filter(None, ("free some space", how)))) from e
        if isinstance(e, ToolkitError):
            e.hint = "; ".join(filter(None, (e.hint, how)))
        elif how:
            console.note(how)
        raise
    staging.publish()
