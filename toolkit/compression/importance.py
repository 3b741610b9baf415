"""How much each part of an encoder matters, measured on calibration rows."""

from __future__ import annotations

from typing import Any

import torch

from toolkit import console
from toolkit.compression import structure
from toolkit.training.tasks import Task


def ffn_importance(model: Any, task: Task, batches: list[dict[str, Any]]) -> list[Any]:
    """Of every FFN neuron the mean |activation x gradient| (first-order Taylor, Molchanov et al., 2017).

    Returns:
        One float tensor (FFN width,) a layer.
    """
    found = structure.layers(model)
    scores = [torch.zeros(structure.ffn(model, layer)[0].out_features) for layer in found]
    kept: dict[int, Any] = {}

    def hook(i: int) -> Any:
        def keep(module: Any, inputs: tuple[Any, ...]) -> None:
            kept[i] = inputs[0]
            inputs[0].retain_grad()

        return keep

    handles = [structure.ffn(model, layer)[1].register_forward_pre_hook(hook(i)) for i, layer in enumerate(found)]
    model.eval()
    for batch in console.track(batches, "importance of neurons"):
        model.zero_grad()
        task.loss(model, batch)[0].backward()
        for i, activation in kept.items():
            scores[i] += (activation * activation.grad).abs().flatten(0, -2).sum(0).detach().cpu()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    return scores


def least_important_layers(
    model: Any, task: Task, batches: list[dict[str, Any]], count: int
) -> list[tuple[int, float]]:
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


def _loss(model: Any, task: Task, found: Any, chosen: list[Any], batches: list[dict[str, Any]]) -> float:
    _set(found, chosen)
    with torch.inference_mode():
        return float(sum(task.loss(model, batch)[0] for batch in batches)) / len(batches)
