"""A folder for what is laid out for a while and mapped from there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, LOCK = "toolkit-", ".lock"


@contextmanager
def folder() -> Iterator[Path]:
    """Below the system's temporary folder, removed in the end; those of killed processes are removed first."""
    with suppress(OSError):
        _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        handle = _lock(Path(name), os.O_CREAT)
        try:
            yield Path(name)
        finally:
            if handle is not None:
                os.close(handle)


def _sweep(root: Path) -> None:
    for left in root.glob(f"{PREFIX}*"):
        handle = _lock(left)
        if handle is not None:  # whoever made it is dead: a lock goes with its process
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)


def _lock(place: Path, flags: int = 0) -> int | None:
    """A handle on the folder's lock; None where it has none, another process holds it, or there are no such locks."""
    try:
        import fcntl

        handle = os.open(place / LOCK, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
