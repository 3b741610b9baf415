"""Cut a ResNet to smaller sizes: which blocks and channels stay is chosen by importance on calibration rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any

from torch import nn

from toolkit.compression import channel_importance, channels
from toolkit.compression.channels import Cut, Sizes
from toolkit.compression.importance import Batches, Scores
from toolkit.training.tasks import Task


def between(whole: Sizes, to: Sizes, share: float, config: Any) -> Sizes:
    """The sizes after a share of the way from `whole` to `to`."""
    gone, blocks = 1 - sum(to.widths) / sum(whole.widths), whole.blocks - round((whole.blocks - to.blocks) * share)
    return to if share == 1 else channels.wanted(config, channels=gone * share, blocks=blocks)


def order(model: Any, task: Task, batches: Batches) -> list[dict[str, Any]]:
    """All blocks that may go, in the order in which they are best removed."""
    count = len(without(model))
    return channel_importance.least_important_blocks(model, task, batches, count)


def scores(model: Any, task: Task, batches: Batches, measure: str) -> list[Scores]:
    """Of the channels of each group."""
    return channel_importance.MEASURES[measure](model, task, batches)


def choose(
    model: Any,
    task: Task,
    batches: Batches,
    to: Sizes,
    measure: str,
    order: list[dict[str, Any]] | None = None,
    scores: list[Scores] | None = None,
) -> Cut:
    """What of the model stays when it is cut to these sizes: blocks by the loss without them, channels by `measure`.

    Args:
        order: the blocks as the function of this name has found them already. scores: of the whole model's channels.
    """
    count = channels.shape(model.config).blocks - to.blocks
    removed = (order or channel_importance.least_important_blocks(model, task, batches, count))[:count]
    gone = {(found["stage"], found["layer"]) for found in removed}
    blocks = [[b for b in range(depth) if (s, b) not in gone] for s, depth in enumerate(model.config.depths)]
    left = copy.deepcopy(model)
    channels.keep_blocks(left, blocks)
    if scores is None or removed:
        scores = channel_importance.MEASURES[measure](left, task, batches)
    kept = [
        score.argsort(descending=True, stable=True)[:width].sort().values.tolist()
        for score, width in zip(scores, channels.widths(left, to), strict=True)
    ]
    return {"layers": blocks, "layers_removed": removed, "channels": kept}


def steps(config: Any, amounts: Sequence[float]) -> dict[str, list[Sizes]]:
    """Of each part the sizes that are left when about such shares of it go, the largest first."""
    whole = channels.shape(config)
    most = whole.blocks - len(config.depths)
    narrow = [channels.wanted(config, channels=share, blocks=None) for share in amounts]
    short = [whole._replace(blocks=whole.blocks - round(most * share)) for share in (*amounts, 1.0)]
    found = {"channels": narrow, "layers": short}
    unique = {part: [to for to in dict.fromkeys(sizes) if to != whole] for part, sizes in found.items()}
    return {part: sizes for part, sizes in unique.items() if sizes}


def left(part: str, to: Sizes) -> int:
    """Blocks, or channels of all stages."""
    return to.blocks if part == "layers" else sum(to.widths)


def grid(config: Any, amounts: Sequence[float]) -> list[Sizes]:
    """Combinations of sizes between the whole model and the smallest of `steps`."""
    shares = [i / 8 for i in range(8) if i / 8 <= max(amounts)]
    depths = range(len(config.depths), sum(config.depths) + 1)
    found = [channels.wanted(config, channels=share, blocks=blocks) for blocks in depths for share in shares]
    return list(dict.fromkeys(found))


def counter(model: Any) -> Callable[[Sizes], int]:
    """The number of parameters by sizes."""
    return cache(lambda to: channels.parameters(type(model), model.config, to))


def units(model: Any, scores: list[Scores]) -> dict[str, list[list[tuple[Any, Scores]]]]:
    """Of each stage its groups of channels, with their scores."""
    found: list[list[tuple[Any, Scores]]] = [[] for _ in model.config.depths]
    for group, score in zip(channels.groups(model), scores, strict=True):
        found[group.stage].append((group, score))
    return {"channels": found}


def places(model: Any) -> dict[str, list[Any]]:
    """By part the stages or, counted over all of them, the blocks."""
    stages = list(model.base_model.encoder.stages)
    return {"channels": stages, "layers": [block for stage in stages for block in stage.layers]}


def without(model: Any) -> dict[int, Callable[[], AbstractContextManager[None]]]:
    """By its number, counted over all stages, of each block that may go: inside, the model is without it."""
    places = [
        (stage.layers, b) for stage in model.base_model.encoder.stages for b in range(len(stage.layers))
    ]  # the first of a stage changes width and resolution
    return {number: partial(_left_out, *place) for number, place in enumerate(places) if place[1]}


@contextmanager
def _left_out(layers: Any, number: int) -> Iterator[None]:
    block = layers[number]
    layers[number] = nn.Identity()
    yield
    layers[number] = block
