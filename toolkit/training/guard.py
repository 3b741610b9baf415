"""Stops a step whose loss or gradient is not finite before it is taken, and finds where that came from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import torch

Compute = Callable[[Any], torch.Tensor]  # a batch -> its loss
Cut = Callable[[Any], Iterable[tuple[Any, float]]]  # a batch -> its pieces, each with its share


class Step(NamedTuple):
    """What it takes to compute a step once more."""

    number: int
    random: Any  # the states of the random generators before it
    batches: list[Any]
    losses: list[torch.Tensor]


class Unsound(Exception):
    """A training cannot go on: a step that was not taken, or what one left (`taken`) is not finite.

    sound: the number of the last step after which all was well; what was kept of later ones is no use.
    """

    def __init__(
        self, step: Step, what: str, *, taken: bool = False, hint: str = "use a smaller --lr", sound: int | None = None
    ) -> None:
        super().__init__(what)
        self.step, self.what, self.taken, self.hint = step, what, taken, hint
        self.sound = step.number - 2 + taken if sound is None else sound


class Guard:
    """Judges each step. On a processor at once; on a GPU without making the host wait for it:

    the optimizer skips the step on the device where the verdict is bad (as it does for fp16's scaler), and the host
    reads the verdict while the next step is computed. An optimizer that cannot skip makes the host wait.
    """

    def __init__(self, device: str, scaler: Any = None) -> None:
        self.device, self.scaler = device, scaler
        self.step: Step | None = None
        self.late: tuple[Step, Any, Any] | None = None  # a step whose verdict is on its way

    def begin(self, number: int) -> None:
        cuda = torch.cuda.get_rng_state() if self.device == "cuda" else None
        self.step = Step(number, (torch.get_rng_state(), cuda), [], [])

    def saw(self, batch: Any, loss: torch.Tensor) -> None:
        assert self.step
        self.step.batches.append(batch)
        self.step.losses.append(loss)

    def judge(self, norm: Any, optimizer: Any) -> None:
        """The verdict on the step, before `optimizer` takes it; `norm` is that of all its gradients.

        Raises:
            Unsound: this step or the one before is not finite.
        """
        assert self.step
        self.settle()
        loss = torch.stack(self.step.losses).sum()
        # fp16's gradients may overflow, which its scaler sees to; its loss must not.
        told = torch.stack([loss, loss if self.scaler or norm is None else _scalar(norm, loss)])
        if self.device == "cuda" and not self.scaler and getattr(optimizer, "_step_supports_amp_scaling", False):
            optimizer.found_inf = (~torch.isfinite(told).all()).float()
            there = torch.empty(2, dtype=told.dtype, pin_memory=True).copy_(told, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record()
            self.late = self.step, there, arrived
        else:
            _demand_finite(self.step, told)

    def stop(self, what: str, hint: str = "use a smaller --lr", sound: int | None = None) -> NoReturn:
        """The training cannot go on after the step that was taken last.

        Args:
            sound: the last step whose weights are healthy; None: the one before.
        """
        assert self.step
        raise Unsound(self.step, what, taken=True, hint=hint, sound=sound)

    def settle(self) -> None:
        """Read the verdict that is on its way.

        Raises:
            Unsound: it is bad.
        """
        if self.late:
            (step, told, arrived), self.late = self.late, None
            arrived.synchronize()
            _demand_finite(step, told)


def _scalar(norm: Any, like: torch.Tensor) -> torch.Tensor:
    norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of sharded weights
    return torch.as_tensor(norm, dtype=like.dtype, device=like.device)


def _demand_finite(step: Step, told: torch.Tensor) -> None:
    loss, norm = told.tolist()
    if not math.isfinite(loss):
        raise Unsound(step, f"the loss is {loss}")
    if not math.isfinite(norm):
        raise Unsound(step, f"the gradient's norm is {norm}")


def unsound_weights(model: Any) -> str | None:
    """The first weights of a model that are not finite."""
    names, weights = zip(*model.named_parameters(), strict=True)
    norms = torch._foreach_norm([w.detach() for w in weights], ord=math.inf)
    largest = torch.stack([_scalar(found, found).float() for found in norms])
    return next((name for name, value in zip(names, largest.tolist(), strict=True) if not math.isfinite(value)), None)


class Culprit(NamedTuple):
    """Where a step that is not finite began."""

    where: str
    batch: int  # the number of its batch within the step
    rows: list[int]  # the numbers of the rows in that batch, empty where it cannot be told


def find(model: Any, step: Step, compute: Compute, cut: Cut = lambda batch: [(batch, 1.0)]) -> Culprit | None:
    """Compute a step once more and find the first output, else the first gradient, that is not finite.

    Args:
        compute: the loss of a piece of a batch through `model`, as in training.
        cut: a batch in the pieces that memory holds.
    """
    with _random(step.random):
        model.zero_grad()
        for number, batch in enumerate(step.batches):
            done = 0
            for piece, _ in cut(batch):
                rows = len(next(iter(piece.values())))
                with _first_output(model) as found:
                    loss = compute(piece)
                if found:
                    answered = {done + row % rows for row in found[0][1]}  # twice, with R-Drop
                    return Culprit(f"the output of {found[0][0]}", number, sorted(answered))
                if not torch.isfinite(loss):
                    return Culprit("the loss itself, of outputs that are", number, [])
                loss.backward()
                # Gradients are made from the head down, so that the highest weights are where it began.
                bad = [n for n, p in model.named_parameters() if p.grad is not None and not p.grad.sum().isfinite()]
                if bad:
                    return Culprit(f"the gradient of {bad[-1]}", number, [])
                done += rows
    return None


@contextmanager
def _first_output(model: Any) -> Iterator[list[tuple[str, list[int]]]]:
    """Notes modules whose outputs are not finite, the first first, with the rows in which they are not."""
    found: list[tuple[str, list[int]]] = []

    def look_at(name: str) -> Callable[..., None]:
        def look(module: Any, args: Any, output: Any) -> None:
            tensors = output if isinstance(output, tuple | list) else [output]
            for value in (t for t in tensors if isinstance(t, torch.Tensor) and t.is_floating_point()):
                bad = ~torch.isfinite(value.detach())
                if not found and bad.any():
                    rows = bad.flatten(1).any(1).nonzero().flatten().tolist() if bad.ndim > 1 else []
                    found.append((name, rows))

        return look

    hooks = [module.register_forward_hook(look_at(name or "the model")) for name, module in model.named_modules()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _random(states: tuple[Any, Any]) -> Iterator[None]:
    """Random numbers as they were."""
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if states[1] is not None else []):
        torch.set_rng_state(states[0])
        if states[1] is not None:
            torch.cuda.set_rng_state(states[1])
        yield
