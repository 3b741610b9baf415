"""Channels and blocks of a ResNet, cut by stage so that the stock class reloads what is left (all in place).

transformers rebuilds a ResNet from one width and one depth a stage and the width of its stem. So all blocks of a stage
are cut to one width; which channels stay differs from convolution to convolution, but for those that the additions of
a stage tie together.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, NamedTuple, TypedDict

import torch
from torch import nn

from toolkit.errors import ToolkitError

REDUCTION = 4  # of a bottleneck's inner channels: transformers' default, which no config changes
MULTIPLE = 8


class Sizes(NamedTuple):
    """What of a ResNet can be made smaller."""

    blocks: int  # of all stages
    stem: int  # channels
    widths: tuple[int, ...]  # channels of each stage


class Cut(TypedDict):
    """What stays, by number: blocks of each stage, channels of each group of what then is left."""

    layers: list[list[int]]
    layers_removed: list[dict[str, Any]]
    channels: list[list[int]]


class Group(NamedTuple):
    """Channels that go together: a channel is one output of each writer and one input of each reader."""

    writers: list[Any]  # with a `convolution` and a `normalization`
    readers: list[Any]  # convolutions, and the classifier
    stage: int
    size: int = 1  # entries that a channel is


def shape(config: Any) -> Sizes:
    """The sizes in a model's config."""
    return Sizes(sum(config.depths), config.embedding_size, tuple(config.hidden_sizes))


def wanted(config: Any, *, channels: float, blocks: int | None) -> Sizes:
    """The sizes that are left when a share of the channels of each stage goes.

    Raises:
        ToolkitError: fewer blocks than stages, or more than there are.
    """
    whole, stages = shape(config), len(config.depths)
    if blocks is not None and not stages <= blocks <= whole.blocks:
        raise ToolkitError(
            f"--layers {blocks}: the model has {whole.blocks} blocks in {stages} stages, and the first of each stays",
            f"give between {stages} and {whole.blocks}",
        )
    step = MULTIPLE * (REDUCTION if config.layer_type == "bottleneck" else 1)

    def left(width: int, step: int) -> int:
        return min(width, max(step, round(width * (1 - channels) / step) * step))

    stem, widths = left(whole.stem, MULTIPLE), tuple(left(width, step) for width in whole.widths)
    first = whole.widths[0]
    if whole.stem == first:
        stem = widths[0]
    # where they differed and no longer do, a stock model has no convolution between them: the wider one stays wider
    elif stem == widths[0] and whole.stem > first:
        stem = min(whole.stem, stem + MULTIPLE)
    elif stem == widths[0]:
        widths = (min(first, widths[0] + step), *widths[1:])
    return Sizes(blocks or whole.blocks, stem, widths)


def parameters(kind: type, config: Any, to: Sizes) -> int:
    """How many numbers a model of this class has, when it is of these sizes; blocks are taken from the last stages,
    as long as their importance is not known."""
    config = copy.deepcopy(config)
    config.embedding_size, config.hidden_sizes = to.stem, [*to.widths]
    while sum(config.depths) > to.blocks:
        config.depths[max(s for s, depth in enumerate(config.depths) if depth > 1)] -= 1
    with torch.device("meta"):
        return int(kind(config).num_parameters())


def told(to: Sizes) -> str:
    """Sizes in words."""
    return f"{to.blocks} blocks, {to.stem} channels in the stem, {', '.join(map(str, to.widths))} in the stages"


def groups(model: Any) -> list[Group]:
    """All channels of a model, in the order of its convolutions."""
    current = Group([model.base_model.embedder.embedder], [], 0)
    out = [current]
    for number, stage in enumerate(model.base_model.encoder.stages):
        for block in stage.layers:
            current.readers.append(block.layer[0].convolution)
            out += [Group([first], [second.convolution], number) for first, second in pairwise(block.layer)]
            if not isinstance(block.shortcut, nn.Identity):
                current.readers.append(block.shortcut.convolution)
                current = Group([block.shortcut], [], number)
                out.append(current)
            current.writers.append(block.layer[-1])
    current.readers.append(model.classifier[-1])
    return out


def apply(model: Any, cut: Cut) -> None:
    """Make the cut in place."""
    keep_blocks(model, cut["layers"])
    for group, kept in zip(groups(model), map(torch.tensor, cut["channels"]), strict=True):
        for writer in group.writers:
            _narrow(writer.convolution, kept, outputs=True)
            _narrow_norm(writer.normalization, kept)
        for reader in group.readers:
            _narrow(reader, kept, outputs=False)
    stages = model.base_model.encoder.stages
    model.config.embedding_size = model.base_model.embedder.embedder.convolution.out_channels
    model.config.hidden_sizes = [stage.layers[0].layer[-1].convolution.out_channels for stage in stages]


def widths(model: Any, to: Sizes) -> list[int]:
    """How many channels of each group stay."""
    reduction = REDUCTION if model.config.layer_type == "bottleneck" else 1
    found = {model.base_model.embedder.embedder: to.stem}
    for stage, width in zip(model.base_model.encoder.stages, to.widths, strict=True):
        for block in stage.layers:
            found |= dict.fromkeys(block.layer, width // reduction)
            found |= {block.layer[-1]: width, block.shortcut: width}
    return [found[group.writers[0]] for group in groups(model)]


def _narrow(module: Any, kept: torch.Tensor, outputs: bool) -> None:
    module.weight = nn.Parameter(module.weight.detach().index_select(int(not outputs), kept))
    kind = "features" if isinstance(module, nn.Linear) else "channels"
    setattr(module, f"{'out' if outputs else 'in'}_{kind}", len(kept))


def _narrow_norm(module: Any, kept: torch.Tensor) -> None:
    for name in ("weight", "bias"):
        setattr(module, name, nn.Parameter(getattr(module, name).detach()[kept]))
    for name in ("running_mean", "running_var"):
        setattr(module, name, getattr(module, name)[kept])
    module.num_features = len(kept)


def keep_blocks(model: Any, kept: list[list[int]]) -> None:
    for stage, blocks in zip(model.base_model.encoder.stages, kept, strict=True):
        stage.layers = nn.Sequential(*[stage.layers[b] for b in blocks])
    model.config.depths = [*map(len, kept)]
