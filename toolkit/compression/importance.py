"""How much each part of an encoder matters, measured on calibration rows. A measure is a function and a line in
`MEASURES`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch

from toolkit import console
from toolkit.compression import structure
from toolkit.compression.structure import Group
from toolkit.training.tasks import Task

Batches = list[dict[str, Any]]
Scores = torch.Tensor  # float32 (units,)


class Importance(NamedTuple):
    """The scores of all units that a cut chooses from; higher ones stay."""

    ffn: list[Scores]
    heads: list[Scores]
    hidden: Scores
    pooled: Scores | None


def measured(model: Any, task: Task, batches: Batches, measure: str) -> Importance:
    """Scores by one of `MEASURES`, from one pass over the batches."""
    pooled = structure.pooled_group(model)
    ffn, heads = structure.ffn_groups(model), structure.head_groups(model)
    groups = [*ffn, *heads, structure.hidden_group(model), *([pooled] if pooled else [])]
    model.eval()
    scores = MEASURES[measure](model, task, batches, groups)
    n = len(ffn)
    return Importance(scores[:n], scores[n : 2 * n], scores[2 * n], scores[2 * n + 1] if pooled else None)


def magnitude(model: Any, task: Task, batches: Batches, groups: list[Group]) -> list[Scores]:
    """Norm of a unit's weights in what writes it, times that in what reads it; each matrix counts alike."""
    return [_norms(group, group.writers, True) * _norms(group, group.readers, False) for group in groups]


def taylor(model: Any, task: Task, batches: Batches, groups: list[Group]) -> list[Scores]:
    """Mean |activation x gradient of the loss| (first order; Molchanov et al., 2017; of heads: Michel et al., 2019)."""

    def note(group: Group, activation: Any, rows: Any) -> Any:
        product = (activation * activation.grad).flatten(0, -2)
        return product.unflatten(-1, (-1, group.size)).sum(-1).abs().sum(0)

    return _over_batches(model, task, batches, groups, note, backward=True)


def activation(model: Any, task: Task, batches: Batches, groups: list[Group]) -> list[Scores]:
    """Mean norm of the activation, padding left out, times that of the weights which read it (Sun et al., 2024)."""

    def note(group: Group, activation: Any, rows: Any) -> Any:
        norms = activation.unflatten(-1, (-1, group.size)).norm(dim=-1)
        if rows is not None and activation.dim() == 3:
            norms = norms * rows[..., None]
        flat = norms.flatten(0, -2).sum(0)
        return flat / flat.mean().clamp_min(1e-12)

    seen = _over_batches(model, task, batches, groups, note, backward=False)
    return [scores * _norms(group, group.readers, False) for scores, group in zip(seen, groups, strict=True)]


MEASURES: dict[str, Callable[[Any, Task, Batches, list[Group]], list[Scores]]] = {
    "magnitude": magnitude,
    "taylor": taylor,
    "activation": activation,
}


def _norms(group: Group, modules: list[Any], outputs: bool) -> Scores:
    """(units,) the norm of each unit's weights, over the mean of its matrix, summed over the matrices."""
    total: Any = 0.0
    for module in modules:
        axis = int(outputs == isinstance(module, torch.nn.Embedding))
        weight = (
            module.weight.detach().movedim(axis, 0).flatten(1) if module.weight.dim() > 1 else module.weight[:, None]
        )
        norms = weight.detach().unflatten(0, (-1, group.size)).flatten(1).norm(dim=1)
        total = total + norms / norms.mean().clamp_min(1e-12)
    return total.float().cpu()  # type: ignore[no-any-return]


def _over_batches(
    model: Any, task: Task, batches: Batches, groups: list[Group], note: Callable[..., Any], backward: bool
) -> list[Scores]:
    """The sum over the batches of what is noted of each group at the modules where it is seen."""
    kept: dict[Any, Any] = {}

    def hook(module: Any, inputs: tuple[Any, ...]) -> None:
        kept[module] = inputs[0]
        if backward:
            inputs[0].retain_grad()

    totals = [torch.zeros(group.readers[0].in_features // group.size) for group in groups]
    with ExitStack() as undo:
        for module in {module for group in groups for module in group.seen}:
            undo.callback(module.register_forward_pre_hook(hook).remove)
        for batch in console.track(batches, "importance of units"):
            with torch.set_grad_enabled(backward):
                loss, _ = task.loss(model, batch)
            if backward:
                loss.backward()
            for total, group in zip(totals, groups, strict=True):
                for module in group.seen:
                    total += note(group, kept[module], batch.get("attention_mask")).detach().float().cpu()
            model.zero_grad()
            kept.clear()
    return totals


def least_important_layers(model: Any, task: Task, batches: Batches, count: int) -> list[tuple[int, float]]:
    """The layers whose removal hurts the loss least, found one after another, each with the loss after its removal."""
    found = structure.layers(model)
    whole, gone = list(found), []
    numbers = list(range(len(whole)))
    model.eval()
    for _ in console.track(range(count), "importance of layers"):
        losses = {n: _loss(model, task, found, [whole[m] for m in numbers if m != n], batches) for n in numbers}
        victim = min(losses, key=losses.__getitem__)
        numbers.remove(victim)
        gone.append((victim, losses[victim]))
    _set(found, whole)
    return gone


def _set(found: Any, chosen: list[Any]) -> None:
    del found[:]
    found.extend(chosen)


def _loss(model: Any, task: Task, found: Any, chosen: list[Any], batches: Batches) -> float:
    _set(found, chosen)
    with torch.inference_mode():
        return float(sum(task.loss(model, batch)[0] for batch in batches)) / len(batches)
