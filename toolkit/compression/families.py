"""How models are cut: encoders in layers, neurons, heads and hidden size, ResNets in blocks and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from toolkit.compression import channels, importance, prune, resnets, structure
from toolkit.errors import ToolkitError

RESNET = "resnet"


class Family(NamedTuple):
    """What a pruning asks of a kind of model; sizes are a `structure.Shape` or a `channels.Sizes`."""

    shape: Callable[..., Any]  # (config) -> its sizes
    between: Callable[..., Any]  # (whole, to, share, config) -> sizes on the way
    order: Callable[..., Any]  # (model, task, batches) -> layers in the order in which they are best removed, as JSON
    scores: Callable[..., Any]  # (model, task, batches, importance) -> of all units
    choose: Callable[..., Any]  # (model, task, batches, to, importance[, order, scores]) -> what stays, as JSON
    apply: Callable[..., None]  # (model, what stays)
    told: Callable[..., str]  # (sizes) -> words
    parameters: Callable[..., int]  # (class, config, to) -> their number
    counter: Callable[..., Any]  # (model) -> a quick function of sizes that gives the same
    steps: Callable[..., Any]  # (config, amounts) -> of each part, sizes with about such shares of it gone
    left: Callable[..., int]  # (part, sizes) -> how much of the part there is
    grid: Callable[..., Any]  # (config, amounts) -> combinations of sizes that lie within those steps
    units: Callable[..., Any]  # (model, scores) -> of each part, by layer, groups of units with their scores
    without: Callable[..., Any]  # (model) -> by its number a context in which the model is without the layer
    places: Callable[..., Any]  # (model) -> of each of these parts the modules, by layer, whose time a cut saves


ENCODER = Family(
    shape=structure.shape,
    between=prune.between,
    order=prune.order,
    scores=importance.measured,
    choose=prune.choose,
    apply=prune.apply,
    told=prune.told,
    parameters=structure.parameters,
    counter=prune.counter,
    steps=prune.steps,
    left=prune.left,
    grid=prune.grid,
    units=prune.units,
    without=prune.without,
    places=prune.places,
)
CONVOLUTIONAL = Family(
    shape=channels.shape,
    between=resnets.between,
    order=resnets.order,
    scores=resnets.scores,
    choose=resnets.choose,
    apply=channels.apply,
    told=channels.told,
    parameters=channels.parameters,
    counter=resnets.counter,
    steps=resnets.steps,
    left=resnets.left,
    grid=resnets.grid,
    units=resnets.units,
    without=resnets.without,
    places=resnets.places,
)


def of(model_type: str | None) -> Family:
    """How models of this type are cut.

    Raises:
        ToolkitError: not at all.
    """
    if model_type not in (RESNET, *structure.FAMILIES):
        known = ", ".join((*structure.FAMILIES, RESNET))
        raise ToolkitError(f"models of type '{model_type}' cannot be cut here", f"known are {known}")
    return CONVOLUTIONAL if model_type == RESNET else ENCODER
