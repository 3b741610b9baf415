"""What to do when no memory is left: smaller batches for the same step; activations that are computed twice."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from toolkit import console
from toolkit.errors import ToolkitError

HINT = "give a smaller --batch-size or --max-length, or --checkpoint-activations"
Learn = Callable[[Any, dict[str, Any]], torch.Tensor]  # (model, piece) -> its loss, gradients added
SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def is_out(error: BaseException) -> bool:
    """Whether an error says that memory is at its end, on a processor or on an accelerator."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or (isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS))


def _free() -> None:
    """Give back what the failed attempt left."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def rows_a_step(args: Any) -> int:
    """Of all batches and processes that a step is taken on."""
    return math.prod(_factors(args))


def effective_batch(args: Any) -> str:
    """How many rows a step learns from, and how they come together."""
    first, *others = _factors(args)
    shown = [first, *[n for n in others if n > 1]]
    product = f" = {' x '.join(map(str, shown))}" if len(shown) > 1 else ""
    return f"effective batch {rows_a_step(args)}{product}"


def _factors(args: Any) -> list[int]:
    return [args.train_batch_size, args.gradient_accumulation_steps, args.world_size]


class Pieces:
    """In how many pieces batches are learned from: one, until memory runs out; a training's state.

    Args:
        piece: the task's, which takes rows out of a batch.
    """

    def __init__(self, args: Any, piece: Callable[[dict[str, Any], int, int], dict[str, Any]]) -> None:
        self.args, self.piece = args, piece
        self.count = 1
        self.share = 1.0  # of what its batch teaches, which the piece at work has: its loss counts as much
        self.of_step: list[Any] = []  # the batches of the step so far

    def cut(self, batch: dict[str, Any]) -> Iterator[tuple[dict[str, Any], float]]:
        """The batch in pieces (fewer where it has fewer rows), each with its share of the labels."""
        rows = len(next(iter(batch.values())))
        step = max(1, -(-rows // self.count))
        for start in range(0, rows, step):
            part = self.piece(batch, start, start + step) if self.count > 1 else batch
            yield part, len(part["labels"]) / len(batch["labels"])

    def step(self, learn: Learn, model: Any, batch: Any, last: bool) -> torch.Tensor:
        """Add a batch's gradients; where memory runs out, those of the whole step so far anew, in smaller pieces.

        Args:
            learn: what does so with a piece; gives its loss.
            last: whether the step ends with this batch.
        """
        self.of_step.append(batch)
        todo = [batch]
        while (loss := self._attempt(learn, model, todo)) is None:
            self.halve()
            model.zero_grad()
            todo = self.of_step
        if last:
            self.of_step = []
        return loss

    def _attempt(self, learn: Learn, model: Any, batches: list[Any]) -> torch.Tensor | None:
        """The loss of the last batch; None if memory ran out (then no frame holds any of it)."""
        try:
            for batch in batches:
                loss = torch.zeros((), device=self.args.device)
                for piece, share in self.cut(batch):
                    self.share = share
                    loss += learn(model, piece)
            return loss
        except (RuntimeError, MemoryError) as e:
            if not is_out(e):
                raise
            return None
        finally:
            self.share = 1.0

    def halve(self) -> None:
        """Twice as many pieces from now on.

        Raises:
            ToolkitError: they have one row each already, or other processes would wait for this one.
        """
        _free()
        rows = -(-self.args.train_batch_size // self.count)
        if rows == 1 or self.args.world_size > 1:
            raise ToolkitError(f"no memory left for {rows} row{'s' * (rows > 1)} at a time", HINT)
        self.count *= 2
        console.warn(
            f"no memory left for {rows} rows at a time: going on with {-(-rows // 2)}, accumulated over "
            f"{self.count * self.args.gradient_accumulation_steps} ({effective_batch(self.args)} as before)"
        )


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
    model.disable_input_require_grads()  # without reentrance nothing needs it, and frozen layers need no gradients
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
