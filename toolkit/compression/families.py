"""How models are cut: encoders in layers, neurons, heads and hidden size, ResNets in blocks and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from toolkit.compression import channels, prune, structure
from toolkit.errors import ToolkitError

RESNET = "resnet"


class Family(NamedTuple):
    """What a pruning asks of a kind of model; sizes are a `structure.Shape` or a `channels.Sizes`."""

    shape: Callable[..., Any]  # (config) -> its sizes
    between: Callable[..., Any]  # (whole, to, share, config) -> sizes on the way
    choose: Callable[..., Any]  # (model, task, batches, to, importance) -> what stays, as JSON holds it
    apply: Callable[..., None]  # (model, what stays)
    told: Callable[..., str]  # (sizes) -> words
    parameters: Callable[..., int]  # (class, config, to) -> their number


ENCODER = Family(structure.shape, prune.between, prune.choose, prune.apply, prune.told, structure.parameters)
CONVOLUTIONAL = Family(
    channels.shape, channels.between, channels.choose, channels.apply, channels.told, channels.parameters
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
