"""What the command line tells as one line; nothing else may reach a user as a traceback."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

MOST_NAMED = 40


class ToolkitError(Exception):
    """The input or the environment is at fault: `message` says what is wrong, `hint` what to do about it."""

    code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


def of_system(e: OSError) -> ToolkitError:
    """What the system refused, with what to do about it."""
    if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "free some space, or choose another --out"
    elif e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "give this user the right to it, or choose another folder"
    else:
        hint = "check the path and the disk"
    where = f" ({e.filename})" if e.filename else ""
    return ToolkitError(f"{e.strerror}{where}", hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for an unknown `word`: the nearest known one, or all of them (the first of many)."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near or not known:
        return f"did you mean {near[0]}?" if near else "there are none"
    return f"known are {', '.join(known[:MOST_NAMED])}{' …' * (len(known) > MOST_NAMED)}"
