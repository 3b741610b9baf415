"""LayerDrop (Fan et al., 2020), which is stochastic depth (Huang et al., 2016) where layers are residual blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    with _forwards(layers, _perhaps, rates(wanted, len(layers))):
        yield


def check(wanted: Regularise, found: Sequence[stages.Stage]) -> None:
    """
    Raises:
        ToolkitError: a step may have nothing to learn with, since all layers that learn can be left out of it.
    """
    if (wanted.layer_drop or wanted.layer_drops) and any(not (s.rates[0] or s.rates[-1]) for s in found):
        hint = "give one of them a rate, or leave --layer-drop out"
        raise ToolkitError("a stage in which layers alone learn may lose all of them to --layer-drop", hint)


@contextmanager
def _forwards(layers: Layers, instead: Callable[..., Any], rates: Sequence[float]) -> Iterator[None]:
    for (layer, length), rate in zip(layers, rates, strict=True):
        layer.forward = partial(instead, layer, layer.forward, length, rate)
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
    if layer.training and float(torch.rand(())) < rate:
        return _skip(layer, forward, length, rate, *args, **kwargs)
    return forward(*args, **kwargs)


def _skip(layer: Any, forward: Any, length: int | None, rate: float, *args: Any, **kwargs: Any) -> Any:
    hidden = args[0] if args else kwargs["hidden_states"]
    return hidden if length is None else (hidden, *[None] * (length - 1))


def droppable(model: Any, ask: Callable[[], Any]) -> Layers:
    """The layers, where each gives what it takes in form; else those of them, or of their blocks (a ResNet's
    stages have some), that do.

    Raises:
        ToolkitError: there are none, or the model does not work without them.
    """
    layers = stages.layers(model)
    model.eval()
    with torch.random.fork_rng(), torch.no_grad():
        found = _keeping_form(layers, ask)
        if len(found) < len(layers):
            found = _keeping_form([block for layer in layers for block in _blocks(layer) or [layer]], ask)
        try:
            with _forwards(found, _skip, [1.0] * len(found)):
                ask()
        except Exception:  # what comes after wants something that only a layer can give
            found = []
    if not found:
        raise ToolkitError(f"no layer of {type(model).__name__} can be left out", "leave --layer-drop out")
    return found


def _blocks(layer: torch.nn.Module) -> list[Any]:
    return list(next((m for m in layer.modules() if isinstance(m, torch.nn.ModuleList | torch.nn.Sequential)), ()))


def _keeping_form(modules: Sequence[torch.nn.Module], ask: Callable[[], Any]) -> Layers:
    """Those of the modules that give a tensor of the form that they take, alone or first in a tuple."""
    seen: Layers = []

    def look(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        taken = args[0] if args else kwargs.get("hidden_states")
        given = output[0] if isinstance(output, tuple) else output
        same = isinstance(taken, torch.Tensor) and isinstance(given, torch.Tensor) and given.shape == taken.shape
        if same and all(module is not other for other, _ in seen):  # ALBERT's one layer works many times
            seen.append((module, len(output) if isinstance(output, tuple) else None))

    hooks = [module.register_forward_hook(look, with_kwargs=True) for module in modules]
    try:
        ask()
    finally:
        for hook in hooks:
            hook.remove()
    return seen
