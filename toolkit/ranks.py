"""Several processes that run one command together, as torchrun and `accelerate launch` start them.

Rank 0 leads: it stages, writes and prints. The others follow: they wait for its word, take part in the training, and
end as it ends. What they say to each other here goes through the launcher's key-value store; tensors go through the
process group that the training makes. A process that was started alone is rank 0 of one, and pays nothing for this.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from toolkit.errors import ToolkitError

PATIENCE = timedelta(days=1)  # for a word of rank 0, which may prepare or publish long; a dead one the launcher tells
GRACE = timedelta(seconds=3)  # in which rank 0 fails too where all fail alike

_store: Any = None
_conversations = 0


def rank() -> int:
    """The number of this process among those that run the command together."""
    return int(os.environ.get("RANK", 0)) if count() > 1 else 0


def count() -> int:
    """How many processes run the command together."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def leads() -> bool:
    return rank() == 0


def name() -> str:
    """What an error calls this process."""
    return f"rank {rank()} on {socket.gethostname()}"


def meet() -> None:
    """Begin a conversation between all ranks.

    Raises:
        ToolkitError: the environment says that there are others, and not where.
    """
    global _store, _conversations
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # its advice on what the Trainer has chosen
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    _conversations += 1
    try:
        store, _, _ = next(rendezvous("env://"))
    except Exception as e:
        hint = f"start it with torchrun or accelerate launch, or unset WORLD_SIZE; {e}"
        raise ToolkitError(f"WORLD_SIZE is {count()}, and the other processes are not found", hint) from e
    _store = PrefixStore(f"toolkit/{_conversations}", store)


def begin(what: dict[str, Any]) -> None:
    """Rank 0 calls the others to the work."""
    if count() > 1:
        _store.set("begin", json.dumps(what))


def end(what: dict[str, Any]) -> None:
    """Rank 0 lets the others end: they return its result, or fail as it failed."""
    _store.compare_set("begin", "", json.dumps(what))  # there may be no work to begin
    _store.set("end", json.dumps(what))
    if "error" not in what:  # the store may live in this process
        _wait(*(f"heard/{other}" for other in range(1, count())))


def hear(word: str) -> dict[str, Any]:
    """Wait for rank 0's "begin" or "end"."""
    _store.wait([word], PATIENCE)
    said: dict[str, Any] = json.loads(_store.get(word))
    if not {"error", "result"}.isdisjoint(said):
        _store.set(f"heard/{rank()}", "")
    return said


def together() -> None:
    """Wait until all ranks have come this far, and fail if one has failed.

    The process group waits half an hour for a rank that does not come; so it is made after this.
    """
    if _store is None:
        return
    _store.set(f"here/{rank()}", "")
    while not _store.check([f"here/{other}" for other in range(count())]):
        if _store.check(["speaker"]):
            raise ToolkitError("another of the processes has failed", "it says why")
        time.sleep(0.2)


def speaks() -> bool:
    """Whether it is this process that tells the user of a failure: rank 0, or the one that fails without it.

    The others wait until it is told, since a launcher ends all processes when the first has ended.
    """
    if _store is None:
        return leads()
    try:
        if not leads():
            _wait("speaker")
        if _store.compare_set("speaker", "", str(rank())) == str(rank()).encode():
            return True
        _wait("spoken")
    except Exception:  # the store went with the process that held it, and that failed before
        pass
    return False


def spoke() -> None:
    """The user was told."""
    if _store is not None:
        _store.set("spoken", "")


def _wait(*words: str) -> None:
    """Wait for words that may not come."""
    with contextlib.suppress(Exception):
        _store.wait(list(words), GRACE)


@contextlib.contextmanager
def one_voice() -> Iterator[None]:
    """Print nothing inside unless this process leads."""
    if leads():
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def part() -> None:
    """Leave the process group, if the training made one: else it is torn down with a warning."""
    import sys

    distributed = sys.modules.get("torch.distributed")
    if count() > 1 and distributed is not None and distributed.is_initialized():
        distributed.destroy_process_group()
