"""Where an encoder's layers and feed-forward matrices sit, and how to cut them so that the stock class reloads it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from toolkit.errors import ToolkitError


class Parts(NamedTuple):
    """Names of the parts that can be cut: modules under the base model, modules in a layer, keys of the config."""

    layers: str
    ffn_in: str
    ffn_out: str
    depth_key: str
    width_key: str


BERT = Parts("encoder.layer", "intermediate.dense", "output.dense", "num_hidden_layers", "intermediate_size")
ARCHITECTURES = {
    "bert": BERT,
    "roberta": BERT,
    "roformer": BERT,
    "distilbert": Parts("transformer.layer", "ffn.lin1", "ffn.lin2", "n_layers", "hidden_dim"),
}


def check(model_type: str | None) -> None:
    """Whether models of this type can be cut.

    Raises:
        ToolkitError: they cannot.
    """
    if model_type not in ARCHITECTURES:
        raise ToolkitError(f"models of type '{model_type}' cannot be cut here", f"known are {', '.join(ARCHITECTURES)}")


def layers(model: Any) -> Any:
    """The ModuleList of encoder layers."""
    return model.base_model.get_submodule(ARCHITECTURES[model.config.model_type].layers)


def ffn(model: Any, layer: Any) -> tuple[Any, Any]:
    """The two feed-forward matrices (torch.nn.Linear) of a layer: in and out."""
    parts = ARCHITECTURES[model.config.model_type]
    return layer.get_submodule(parts.ffn_in), layer.get_submodule(parts.ffn_out)


def depth(config: dict[str, Any]) -> int:
    return int(config[ARCHITECTURES[config["model_type"]].depth_key])


def keep_layers(model: Any, kept: Sequence[int]) -> None:
    """Leave only these encoder layers in the model, in order (in place)."""
    check(model.config.model_type)
    found = layers(model)
    chosen = [found[i] for i in sorted(kept)]
    del found[:]
    found.extend(chosen)
    setattr(model.config, ARCHITECTURES[model.config.model_type].depth_key, len(chosen))


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
    setattr(model.config, ARCHITECTURES[model.config.model_type].width_key, width.pop())


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
