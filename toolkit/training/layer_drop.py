"""LayerDrop (Fan et al., 2020), which is stochastic depth (Huang et al., 2016) where layers are residual blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from toolkit.errors import ToolkitError
from toolkit.training import stages
from toolkit.training.config import Regularise

Layers = list[tuple[Any, int | None]]  # each with the length of the tuple that it gives; None: it gives a tensor


@contextmanager
def applied(model: Any, wanted: Regularise, ask: Callable[[], Any]) -> Iterator[None]:
    """While training inside, each layer is left out of a forward pass as often as its rate says.

    A layer that is left out costs nothing and hands its input on; in evaluation all of them work. The draws come from
    torch's own random state, which checkpoints keep. Nothing of it is left in the model.

    Args:
        ask: runs the model on one row; shows what its layers take and give.
    """
    if not wanted.layer_drop and not wanted.layer_drops:
        yield
        return
    layers = droppable(model, ask)
    for (layer, length), rate in zip(layers, rates(wanted, len(layers)), strict=True):
        layer.forward = partial(_perhaps, layer, layer.forward, length, rate)
    try:
        yield
    finally:
        for layer, _ in layers:
            del layer.forward


def rates(wanted: Regularise, layers: int) -> list[float]:
    """How often each layer is left out, the lowest first."""
    if wanted.layer_drops:
        return stages.stretched(wanted.layer_drops, layers)
    if wanted.layer_drop_grows:
        return [wanted.layer_drop * (i + 1) / layers for i in range(layers)]
    return [wanted.layer_drop] * layers


def _perhaps(layer: Any, forward: Any, length: int | None, rate: float, *args: Any, **kwargs: Any) -> Any:
    if not layer.training or float(torch.rand(())) >= rate:
        return forward(*args, **kwargs)
    hidden = args[0] if args else kwargs["hidden_states"]
    return hidden if length is None else (hidden, *[None] * (length - 1))


def droppable(model: Any, ask: Callable[[], Any]) -> Layers:
    """The layers that give what they take in form; the blocks of a layer that does not (a stage of a ResNet).

    Raises:
        ToolkitError: there are none.
    """
    candidates: list[Any] = []
    for layer in stages.layers(model):
        inner = next((m for m in layer.modules() if isinstance(m, torch.nn.ModuleList | torch.nn.Sequential)), ())
        candidates += [layer, *inner]
    seen: dict[int, int | None] = {}

    def look(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        taken = args[0] if args else kwargs.get("hidden_states")
        first, *others = output if isinstance(output, tuple) else (output,)
        same = isinstance(taken, torch.Tensor) and isinstance(first, torch.Tensor) and first.shape == taken.shape
        if same and all(other is None for other in others):
            seen[id(module)] = len(output) if isinstance(output, tuple) else None

    hooks = [module.register_forward_hook(look, with_kwargs=True) for module in candidates]
    model.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            ask()
    finally:
        for hook in hooks:
            hook.remove()
    found: Layers = []
    inside: set[int] = set()
    for module in candidates:
        if id(module) in seen and id(module) not in inside:
            found.append((module, seen[id(module)]))
            inside |= {id(m) for m in module.modules()}
    if not found:
        raise ToolkitError(f"no layer of {type(model).__name__} can be left out", "leave --layer-drop out")
    return found
