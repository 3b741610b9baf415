"""What to do when no memory is left: smaller batches for the same step; activations that are computed twice."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from toolkit.errors import ToolkitError

HINT = "give a smaller --batch-size or --max-length, or --checkpoint-activations"
SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def is_out(error: BaseException) -> bool:
    """Whether an error says that memory is at its end, on a processor or on an accelerator."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or (isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS))


def free() -> None:
    """Give back what the failed attempt left."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def size(batch: dict[str, Any]) -> int:
    """Rows of a batch."""
    return len(next(value for value in batch.values() if isinstance(value, torch.Tensor)))


def pieces(batch: dict[str, Any], count: int) -> Iterator[tuple[dict[str, Any], float]]:
    """The batch in `count` pieces (fewer where it has fewer rows), each with its share of the rows."""
    rows = size(batch)
    step = max(1, -(-rows // count))
    for start in range(0, rows, step):
        part = {k: v[start : start + step] if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        yield part, size(part) / rows


@contextmanager
def checkpointed(model: Any, wanted: bool) -> Iterator[None]:
    """Inside, a layer's activations are not kept but computed again for its gradients (Chen et al., 2016).

    The random state is put back for the second computation, so that the weights come out the same.

    Raises:
        ToolkitError: an architecture that cannot.
    """
    if not wanted:
        yield
        return
    if not model.supports_gradient_checkpointing:
        raise ToolkitError(
            f"{type(model).__name__} cannot checkpoint activations", "leave --checkpoint-activations out"
        )
    model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
