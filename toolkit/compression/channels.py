"""Channels and blocks of a ResNet, cut by stage so that the stock class reloads what is left (all in place).

transformers rebuilds a ResNet from one width and one depth a stage and the width of its stem. So all blocks of a stage
are cut to one width; which channels stay differs from convolution to convolution, but for those that the additions of
a stage tie together.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypedDict

import torch
from torch import nn

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.training.tasks import Task

REDUCTION = 4  # of a bottleneck's inner channels: transformers' default, which no config changes
MULTIPLE = 8
Batches = list[dict[str, Any]]


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
    if whole.stem == whole.widths[0]:
        stem = widths[0]
    elif stem == widths[0]:  # a stock model would have no convolution between them
        stem = min(whole.stem, stem + MULTIPLE)
    return Sizes(blocks or whole.blocks, stem, widths)


def between(whole: Sizes, to: Sizes, share: float, config: Any) -> Sizes:
    """The sizes after a share of the way from `whole` to `to`."""
    gone, blocks = 1 - sum(to.widths) / sum(whole.widths), whole.blocks - round((whole.blocks - to.blocks) * share)
    return to if share == 1 else wanted(config, channels=gone * share, blocks=blocks)


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
    current = Group([model.base_model.embedder.embedder], [])
    out = [current]
    for stage in model.base_model.encoder.stages:
        for block in stage.layers:
            current.readers.append(block.layer[0].convolution)
            out += [Group([first], [second.convolution]) for first, second in pairwise(block.layer)]
            if not isinstance(block.shortcut, nn.Identity):
                current.readers.append(block.shortcut.convolution)
                current = Group([block.shortcut], [])
                out.append(current)
            current.writers.append(block.layer[-1])
    current.readers.append(model.classifier[-1])
    return out


def choose(model: Any, task: Task, batches: Batches, to: Sizes, measure: str) -> Cut:
    """What of the model stays when it is cut to these sizes: blocks by the loss without them, channels by `measure`."""
    removed = _least_important_blocks(model, task, batches, shape(model.config).blocks - to.blocks)
    gone = {(found["stage"], found["layer"]) for found in removed}
    blocks = [[b for b in range(depth) if (s, b) not in gone] for s, depth in enumerate(model.config.depths)]
    left = copy.deepcopy(model)
    _keep_blocks(left, blocks)
    scores = MEASURES[measure](left, task, batches)
    kept = [
        score.argsort(descending=True, stable=True)[:width].sort().values.tolist()
        for score, width in zip(scores, _widths(left, to), strict=True)
    ]
    return {"layers": blocks, "layers_removed": removed, "channels": kept}


def apply(model: Any, cut: Cut) -> None:
    """Make the cut in place."""
    _keep_blocks(model, cut["layers"])
    for group, kept in zip(groups(model), map(torch.tensor, cut["channels"]), strict=True):
        for writer in group.writers:
            _narrow(writer.convolution, kept, outputs=True)
            _narrow_norm(writer.normalization, kept)
        for reader in group.readers:
            _narrow(reader, kept, outputs=False)
    stages = model.base_model.encoder.stages
    model.config.embedding_size = model.base_model.embedder.embedder.convolution.out_channels
    model.config.hidden_sizes = [stage.layers[0].layer[-1].convolution.out_channels for stage in stages]


def _widths(model: Any, to: Sizes) -> list[int]:
    """How many channels of each group stay."""
    reduction = REDUCTION if model.config.layer_type == "bottleneck" else 1
    widths = {model.base_model.embedder.embedder: to.stem}
    for stage, width in zip(model.base_model.encoder.stages, to.widths, strict=True):
        for block in stage.layers:
            widths |= dict.fromkeys(block.layer, width // reduction)
            widths |= {block.layer[-1]: width, block.shortcut: width}
    return [widths[group.writers[0]] for group in groups(model)]


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


def _keep_blocks(model: Any, kept: list[list[int]]) -> None:
    for stage, blocks in zip(model.base_model.encoder.stages, kept, strict=True):
        stage.layers = nn.Sequential(*[stage.layers[b] for b in blocks])
    model.config.depths = [*map(len, kept)]


def _least_important_blocks(model: Any, task: Task, batches: Batches, count: int) -> list[dict[str, Any]]:
    """The blocks whose removal hurts the loss least, found one after another, each with the loss after its removal.

    The first block of a stage changes width and resolution, and stays.
    """
    stages = [stage.layers for stage in model.base_model.encoder.stages]
    at = {(s, b): stages[s][b] for s in range(len(stages)) for b in range(1, len(stages[s]))}
    left, removed = [*at], []
    model.eval()
    for _ in console.track(range(count), "importance of blocks"):
        losses = {}
        for s, b in left:
            stages[s][b] = nn.Identity()
            losses[s, b] = _loss(model, task, batches)
            stages[s][b] = at[s, b]
        s, b = min(losses, key=losses.__getitem__)
        stages[s][b] = nn.Identity()
        left.remove((s, b))
        removed.append({"stage": s, "layer": b, "calibration_loss_without": losses[s, b]})
    for (s, b), block in at.items():
        stages[s][b] = block
    return removed


def _loss(model: Any, task: Task, batches: Batches) -> float:
    with torch.inference_mode():
        return float(sum(task.loss(model, batch)[0] for batch in batches)) / len(batches)


def magnitude(model: Any, task: Task, batches: Batches) -> list[torch.Tensor]:
    """L1 norm of a channel's filters, times what the normalization behind them scales them by."""

    def norm(writer: Any) -> torch.Tensor:
        scale = writer.normalization.weight.abs() / (writer.normalization.running_var + writer.normalization.eps).sqrt()
        return writer.convolution.weight.abs().flatten(1).sum(1) * scale  # type: ignore[no-any-return]

    with torch.no_grad():
        return [sum((_relative(norm(writer)) for writer in g.writers), torch.tensor(0.0)) for g in groups(model)]


def taylor(model: Any, task: Task, batches: Batches) -> list[torch.Tensor]:
    """Sum over the batches of |scale x its gradient + shift x its gradient| of the normalization, of all writers
    together: the first-order change of the loss when the channel goes (Molchanov et al., 2019)."""
    found = groups(model)
    totals = [torch.zeros(len(group.writers[0].normalization.weight)) for group in found]
    model.eval()
    for batch in console.track(batches, "importance of channels"):
        model.zero_grad()
        task.loss(model, batch)[0].backward()
        for total, group in zip(totals, found, strict=True):
            norms = [writer.normalization for writer in group.writers]
            total += sum(n.weight * n.weight.grad + n.bias * n.bias.grad for n in norms).detach().abs()
    model.zero_grad()
    return totals


def activation(model: Any, task: Task, batches: Batches) -> list[torch.Tensor]:
    """Mean |activation| of the normalizations, each over the mean of its channels."""
    found = groups(model)
    totals: dict[Any, Any] = {writer: 0.0 for group in found for writer in group.writers}
    model.eval()

    def keep(writer: Any) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
            totals[writer] += output.abs().mean((0, 2, 3))

        return hook

    handles = [writer.normalization.register_forward_hook(keep(writer)) for writer in totals]
    with torch.no_grad():
        for batch in console.track(batches, "importance of channels"):
            task.answers(model, batch)
    for handle in handles:
        handle.remove()
    return [sum((_relative(totals[writer]) for writer in g.writers), torch.tensor(0.0)) for g in found]


def _relative(scores: Any) -> torch.Tensor:
    return scores / scores.mean().clamp_min(1e-12)  # type: ignore[no-any-return]


MEASURES: dict[str, Callable[[Any, Task, Batches], list[torch.Tensor]]] = {
    "magnitude": magnitude,
    "taylor": taylor,
    "activation": activation,
}


def settle(model: Any, task: Task, batches: Batches) -> None:
    """Find the statistics of the normalizations anew: those of the whole model are not those of what is left.

    A model that is not trained back lives by them (Li et al., 2020, "EagleEye").
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    model.train()
    with torch.no_grad():
        for batch in batches:
            task.answers(model, batch)
    model.eval()
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
