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

from toolkit import console
from toolkit.artifacts import manifest
from toolkit.errors import ToolkitError

WORK = "work"  # what the engine keeps while it runs (checkpoints, caches); never published


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
    else:
        os.rename(retired, out)
        console.note(f"{out}: brought back; a replacement of it had been interrupted")


class Staging:
    """The work folder of one run. `resumed` says whether an earlier run's work is in it."""

    def __init__(self, out: Path, stamp: str, resumable: bool, force: bool) -> None:
        self.out, self.stamp, self.resumable, self.force = out, stamp, resumable, force
        self.folder = partial_of(out)
        self.resumed = False
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
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            left_behind = manifest.read(self.folder)
            if left_behind and left_behind["stamp"] == self.stamp:
                manifest.check_files(self.folder, left_behind)
                self.finished = True
                return
            self._settle_leftovers()
        except BaseException:
            self._release()
            raise
        self.work.mkdir(exist_ok=True)
        manifest.write_json(self.folder / "stamp.json", {"stamp": self.stamp, "started": time.time()})

    def _settle_leftovers(self) -> None:
        left = [p for p in self.folder.iterdir() if p.name != ".lock"]
        if not left:
            return
        same = self._left_stamp() == self.stamp
        has_work = self.work.is_dir() and any(self.work.iterdir())
        if same and self.resumable and has_work and not self.force:
            self.resumed = True
            left = [p for p in left if p not in (self.work, self.folder / "stamp.json")]
        elif has_work and not self.force:
            raise ToolkitError(
                f"{self.folder} holds unfinished work of a run with other options or inputs",
                "call it with those to resume, or add --force to discard it",
            )
        else:
            console.note(f"{self.folder}: removed what an interrupted run had left")
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _left_stamp(self) -> str | None:
        try:
            return str(json.loads((self.folder / "stamp.json").read_text())["stamp"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # no flock on this system: two runs at once are the user's own risk
            return
        self._lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(self._lock)
            self._lock = None
            raise ToolkitError(f"another process is writing {self.out}", "wait for it, or choose another --out") from e

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def publish(self) -> None:
        """Move the finished folder to its final name."""
        shutil.rmtree(self.work, ignore_errors=True)
        (self.folder / "stamp.json").unlink(missing_ok=True)
        (self.folder / ".lock").unlink(missing_ok=True)
        _sync(self.folder)
        replaced: Path | None = None
        if self.out.exists():
            if manifest.read(self.out) is not None:
                replaced = retired_of(self.out)
            elif any(self.out.iterdir()):  # not ours to delete
                replaced = self.out.with_name(f"{self.out.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
                console.warn(f"{self.out} was no artifact: kept as {replaced}")
            if replaced:
                os.rename(self.out, replaced)
        os.rename(self.folder, self.out)
        _sync(self.out.parent)
        if replaced == retired_of(self.out):
            shutil.rmtree(replaced, ignore_errors=True)
        self._release()

    def abandon(self) -> bool:
        """After a failure: keep the folder if a later call can resume from it (True), else leave nothing behind."""
        keep = self.resumable and self.work.is_dir() and any(self.work.iterdir())
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            for parent in self._made:
                with contextlib.suppress(OSError):
                    parent.rmdir()
        self._release()
        return keep


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


@contextlib.contextmanager
def stage(out: Path, stamp: str, *, resumable: bool, force: bool) -> Iterator[Staging]:
    """Open a staging folder, and publish it unless the body fails."""
    staging = Staging(out, stamp, resumable, force)
    try:
        staging.open()
    except ToolkitError:
        raise
    except OSError:
        staging.abandon()
        raise
    try:
        yield staging
    except BaseException as e:
        if staging.abandon() and isinstance(e, ToolkitError):
            e.hint = f"{e.hint}; " * bool(e.hint) + f"its work so far is kept in {staging.folder}, the same call resumes"
        raise
    staging.publish()
