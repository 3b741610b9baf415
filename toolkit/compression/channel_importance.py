"""How much each block and channel of a ResNet matters, measured on calibration rows. A measure is a function and a
line in `MEASURES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from toolkit import console
from toolkit.compression.channels import groups
from toolkit.compression.importance import Batches, Scores
from toolkit.training.tasks import Task


def least_important_blocks(model: Any, task: Task, batches: Batches, count: int) -> list[dict[str, Any]]:
    """The blocks whose removal hurts the loss least, found one after another, each with the loss after its removal.

    The first block of a stage changes width and resolution, and stays.
    """
    stages = [stage.layers for stage in model.base_model.encoder.stages]
    at = {(s, b): stages[s][b] for s in range(len(stages)) for b in range(1, len(stages[s]))}
    left, removed = [*at], []
    model.eval()
    for _ in console.track(range(count), "importance of blocks"):
        losses = {}
        for s, b in left:
            stages[s][b] = nn.Identity()
            losses[s, b] = _loss(model, task, batches)
            stages[s][b] = at[s, b]
        s, b = min(losses, key=losses.__getitem__)
        stages[s][b] = nn.Identity()
        left.remove((s, b))
        removed.append({"stage": s, "layer": b, "calibration_loss_without": losses[s, b]})
    for (s, b), block in at.items():
        stages[s][b] = block
    return removed


def _loss(model: Any, task: Task, batches: Batches) -> float:
    with torch.inference_mode():
        return float(sum(task.loss(model, batch)[0] for batch in batches)) / len(batches)


def magnitude(model: Any, task: Task, batches: Batches) -> list[Scores]:
    """L1 norm of a channel's filters, times what the normalization behind them scales them by."""

    def norm(writer: Any) -> torch.Tensor:
        scale = writer.normalization.weight.abs() / (writer.normalization.running_var + writer.normalization.eps).sqrt()
        return writer.convolution.weight.abs().flatten(1).sum(1) * scale  # type: ignore[no-any-return]

    with torch.no_grad():
        return [sum((_relative(norm(writer)) for writer in g.writers), torch.tensor(0.0)) for g in groups(model)]


def taylor(model: Any, task: Task, batches: Batches) -> list[Scores]:
    """Sum over the batches of |scale x its gradient + shift x its gradient| of the normalization, of all writers
    together: the first-order change of the loss when the channel goes (Molchanov et al., 2019)."""
    found = groups(model)
    totals = [torch.zeros(len(group.writers[0].normalization.weight)) for group in found]
    model.eval()
    for batch in console.track(batches, "importance of channels"):
        model.zero_grad()
        task.loss(model, batch)[0].backward()
        for total, group in zip(totals, found, strict=True):
            norms = [writer.normalization for writer in group.writers]
            total += sum(n.weight * n.weight.grad + n.bias * n.bias.grad for n in norms).detach().abs()
    model.zero_grad()
    return totals


def activation(model: Any, task: Task, batches: Batches) -> list[Scores]:
    """Mean |activation| of the normalizations, each over the mean of its channels."""
    found = groups(model)
    totals: dict[Any, Any] = {writer: 0.0 for group in found for writer in group.writers}
    model.eval()

    def keep(writer: Any) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
            totals[writer] += output.abs().mean((0, 2, 3))

        return hook

    handles = [writer.normalization.register_forward_hook(keep(writer)) for writer in totals]
    with torch.no_grad():
        for batch in console.track(batches, "importance of channels"):
            task.answers(model, batch)
    for handle in handles:
        handle.remove()
    return [sum((_relative(totals[writer]) for writer in g.writers), torch.tensor(0.0)) for g in found]


def _relative(scores: Any) -> torch.Tensor:
    return scores / scores.mean().clamp_min(1e-12)  # type: ignore[no-any-return]


MEASURES: dict[str, Callable[[Any, Task, Batches], list[Scores]]] = {
    "magnitude": magnitude,
    "taylor": taylor,
    "activation": activation,
}


def settle(model: Any, task: Task, batches: Batches) -> None:
    """Find the statistics of the normalizations anew: those of the whole model are not those of what is left.

    A model that is not trained back lives by them (Li et al., 2020, "EagleEye").
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    model.train()
    with torch.no_grad():
        for batch in batches:
            task.answers(model, batch)
    model.eval()
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
