"""Figures of a model's health in one step: gradients, updates and activations of each group of its layers.

Nothing is computed between the steps that are logged, and in those one number a figure is read from the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

from toolkit.training import stages

MOST = 12  # groups of layers; those of deeper models are taken together
SAMPLE = 4096  # weights of a tensor, evenly spaced, by which updates are judged: no copy of the model is made
ROWS = 8  # of a batch, by which its activations are judged
# Where an activation function is flat, so that its unit learns nothing: by what its class is called.
FLAT: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda x, y: x <= 0,
    "gelu": lambda x, y: x < -3,
    "silu": lambda x, y: x < -6,
    "tanh": lambda x, y: y.abs() > 0.99,
    "sigmoid": lambda x, y: (y - 0.5).abs() > 0.49,
}


def groups(model: Any) -> dict[str, list[torch.nn.Parameter]]:
    """The weights of the embeddings, of each layer (or few layers), and of the head; all of a model without layers."""
    layers = stages.layer_list(model)
    if layers is None:
        return {"model": list(model.parameters())}
    first, *inner, last = stages.parts(model)
    out = {"embeddings": first}
    for block in blocks(len(layers)):
        out[name_of(block)] = [p for i in block for p in inner[i]]
    return {name: weights for name, weights in (out | {"head": last}).items() if weights}


def blocks(layers: int) -> list[range]:
    """The layers of each group, by number."""
    count = min(layers, MOST)
    cuts = [round(i * layers / count) for i in range(count + 1)]
    return [range(a, b) for a, b in pairwise(cuts)]


def name_of(block: range) -> str:
    return f"layer.{block[0]}" if len(block) == 1 else f"layers.{block[0]}-{block[-1]}"


class Statistics:
    """What is measured in one step: `watch` before it, `gradients` after the backward, `before` and `after` the update.

    `take` gives the figures: `grad_norm/GROUP`, `update_ratio/GROUP` (norm of the change / norm of the weights),
    `updated/GROUP` (share of the weights that changed), `activation_mean|std|zeros|saturated/GROUP` (of the group's
    output; saturated: share of units where the activation function is flat).
    """

    def __init__(self, model: Any) -> None:
        self.model, self.groups = model, groups(model)
        self.found: dict[str, Any] = {}  # figure -> number on the device
        self.flat: dict[str, list[Any]] = {}  # group -> shares of its activation functions
        self.hooks: list[Any] = []

    def watch(self) -> None:
        """Look at the outputs of the next forward pass."""
        self.found, self.flat = {}, {}
        layers = stages.layer_list(self.model)
        if layers is None:
            self._look(self.model, "model")
            return
        self._look(layers[0], "embeddings", before=True)
        for block in blocks(len(layers)):
            self._look(layers[block[-1]], name_of(block))
            for module in (m for i in block for m in layers[i].modules()):
                self._look_for_flat(module, name_of(block))
        self._look(self.model, "head")

    def _look(self, module: Any, group: str, before: bool = False) -> None:
        def look(module: Any, args: Any, output: Any = None) -> None:
            value = _first_tensor(args if before else output)
            if value is None or f"activation_mean/{group}" in self.found:  # the second of accumulated batches
                return
            value = _some(value).float()
            variance, mean = torch.var_mean(value)
            self.found[f"activation_mean/{group}"], self.found[f"activation_std/{group}"] = mean, variance.sqrt()
            self.found[f"activation_zeros/{group}"] = 1 - value.count_nonzero() / value.numel()

        register = module.register_forward_pre_hook if before else module.register_forward_hook
        self.hooks.append(register(look))

    def _look_for_flat(self, module: Any, group: str) -> None:
        told = type(module).__name__.lower()
        flat = next((test for name, test in FLAT.items() if name in told), None)
        if flat is None:
            return

        def look(module: Any, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and f"activation_mean/{group}" not in self.found:
                found = flat(_some(args[0]), _some(output))
                self.flat.setdefault(group, []).append(found.count_nonzero() / found.numel())

        self.hooks.append(module.register_forward_hook(look))

    def unhook(self) -> None:
        """Look no more."""
        for hook in self.hooks:
            hook.remove()
        self.hooks = []

    def gradients(self, scale: float = 1.0) -> None:
        """Norms of the gradients, which are `scale` times too large (fp16); before they are clipped."""
        for name, weights in self.groups.items():
            grads = [_values(p.grad) for p in weights if p.grad is not None]
            if grads:
                norm = torch.nn.utils.get_total_norm(grads)
                self.found[f"grad_norm/{name}"] = _whole(norm) / scale

    @torch.no_grad()
    def before(self) -> None:
        """Remember a sample of the weights."""
        self.sample = {name: _sampled(weights) for name, weights in self.groups.items()}

    @torch.no_grad()
    def after(self) -> None:
        """Compare the sample with what it has become."""
        for name, weights in self.groups.items():
            old, shares = self.sample[name], _shares(weights, self.sample[name].device)
            change = _sampled(weights) - old
            norm = (shares * change.square()).sum().sqrt()
            self.found[f"update_ratio/{name}"] = norm / (shares * old.square()).sum().sqrt().clamp_min(1e-12)
            self.found[f"updated/{name}"] = (shares * (change != 0)).sum() / shares.sum()
        self.sample = {}

    def take(self) -> dict[str, float]:
        """The figures of the step, those left out that are not finite (of an fp16 step that overflowed)."""
        self.unhook()
        shares = {f"activation_saturated/{group}": sum(told) / len(told) for group, told in self.flat.items()}
        found, self.found, self.flat = self.found | shares, {}, {}
        values = torch.stack([v.detach().float().reshape(()) for v in found.values()]).tolist() if found else []
        return {name: value for name, value in zip(found, values, strict=True) if math.isfinite(value)}


def _sampled(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([_own(p).flatten()[:: _stride(p)] for p in weights]).float()


def _shares(weights: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    """How many weights each one of the sample stands for."""
    strides = [_stride(p) for p in weights]
    counts = torch.tensor([-(-_own(p).numel() // n) for p, n in zip(weights, strides, strict=True)])
    return torch.tensor(strides, dtype=torch.float32).repeat_interleave(counts).to(device)


def _stride(p: torch.Tensor) -> int:
    return max(1, int(_own(p).numel()) // SAMPLE)


def _own(p: Any) -> Any:
    """The part of a sharded tensor that this process holds; any other as it is."""
    return p.detach().to_local() if hasattr(p, "to_local") else p.detach()


def _whole(norm: Any) -> Any:
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def _some(value: torch.Tensor) -> torch.Tensor:
    """Evenly spaced rows of a batch, `ROWS` to twice as many."""
    return value.detach()[:: max(1, len(value) // ROWS)]


def _values(grad: torch.Tensor) -> torch.Tensor:
    """A gradient's numbers; of a table of which some rows were read, those of these rows."""
    return grad.coalesce().values() if grad.is_sparse else grad


def _first_tensor(output: Any) -> torch.Tensor | None:
    """The tensor that a module hands on: itself, the first of a tuple, or a model's logits."""
    if hasattr(output, "logits"):
        output = output.logits
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, torch.Tensor) else None
