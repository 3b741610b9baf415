"""Where an encoder's layers and feed-forward matrices sit, and how to cut them so that the stock class reloads it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from toolkit.errors import ToolkitError

# model_type -> (path of the list of layers, first and second FFN matrix in a layer, config keys of depth and FFN width)
ARCHITECTURES = {
    "bert": ("bert.encoder.layer", "intermediate.dense", "output.dense", "num_hidden_layers", "intermediate_size"),
    "roberta": (
        "roberta.encoder.layer",
        "intermediate.dense",
        "output.dense",
        "num_hidden_layers",
        "intermediate_size",
    ),
    "roformer": ("roformer.encoder.layer", "intermediate.dense", "output.dense", "num_hidden_layers", "intermediate_size"),
    "distilbert": ("distilbert.transformer.layer", "ffn.lin1", "ffn.lin2", "n_layers", "hidden_dim"),
}


def check(model_type: str) -> None:
    """Whether models of this type can be cut.

    Raises:
        ToolkitError: they cannot.
    """
    if model_type not in ARCHITECTURES:
        raise ToolkitError(f"models of type '{model_type}' cannot be cut here", f"known are {', '.join(ARCHITECTURES)}")


def layers(model: Any) -> Any:
    """The ModuleList of encoder layers."""
    return model.get_submodule(ARCHITECTURES[model.config.model_type][0])


def ffn(model: Any, layer: Any) -> tuple[Any, Any]:
    """The two feed-forward matrices (torch.nn.Linear) of a layer: in and out."""
    _, first, second, _, _ = ARCHITECTURES[model.config.model_type]
    return layer.get_submodule(first), layer.get_submodule(second)


def depth(config: dict[str, Any]) -> int:
    return int(config[ARCHITECTURES[config["model_type"]][3]])


def keep_layers(model: Any, kept: Sequence[int]) -> None:
    """Leave only these encoder layers in the model, in order (in place)."""
    check(model.config.model_type)
    found = layers(model)
    chosen = [found[i] for i in sorted(kept)]
    del found[:]
    found.extend(chosen)
    setattr(model.config, ARCHITECTURES[model.config.model_type][3], len(chosen))


def keep_ffn(model: Any, kept: Sequence[Sequence[int]]) -> None:
    """Leave only these neurons of each layer's feed-forward block: the same number in every layer (in place)."""
    import torch

    width = {len(neurons) for neurons in kept}
    assert len(width) == 1, "the stock config has one FFN width"
    for layer, neurons in zip(layers(model), kept, strict=True):
        index = torch.tensor(sorted(neurons))
        first, second = ffn(model, layer)
        first.weight = torch.nn.Parameter(first.weight.detach()[index].clone())
        first.bias = torch.nn.Parameter(first.bias.detach()[index].clone())
        second.weight = torch.nn.Parameter(second.weight.detach()[:, index].clone())
        first.out_features = second.in_features = len(index)
    setattr(model.config, ARCHITECTURES[model.config.model_type][4], width.pop())


def evenly(depth: int, count: int) -> list[int]:
    """`count` of `depth` layers, evenly spaced, the first and the last among them."""
    if count == 1:
        return [depth - 1]
    return sorted({round(i * (depth - 1) / (count - 1)) for i in range(count)})


def student(teacher: Any, count: int) -> Any:
    """A copy of the teacher with `count` of its layers, evenly spaced (as in Sanh et al., 2019)."""
    out = copy.deepcopy(teacher)
    keep_layers(out, evenly(len(layers(teacher)), count))
    return out
