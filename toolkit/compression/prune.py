"""Cut an encoder to smaller sizes: which units stay is chosen by importance on calibration rows."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any, TypedDict

from toolkit.compression import importance, structure
from toolkit.compression.importance import Importance, Scores
from toolkit.compression.structure import Group, Shape
from toolkit.data.sample import spread
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded
from toolkit.training.tasks import Task

BATCH_SIZE = 32
MULTIPLE = 8  # of FFN width and free hidden size: matrix kernels like it


class Cut(TypedDict):
    """What stays of each part, by number (neurons and heads of each layer that stays); None: all of it."""

    layers: list[int]
    layers_removed: list[dict[str, Any]]
    ffn: list[list[int]] | None
    heads: list[list[int]] | None
    hidden: list[int] | None
    pooled: list[int] | None


def calibration(task: Task, rows: Encoded, count: int) -> list[dict[str, Any]]:
    """Batches of at most `count` encoded and labelled rows, evenly spaced."""
    chosen = [rows[i] for i in spread(len(rows), count)]
    return [task.collate(chosen[i : i + BATCH_SIZE]) for i in range(0, len(chosen), BATCH_SIZE)]


def wanted(config: Any, *, layers: int | None, ffn: float, heads: float, hidden: int | None) -> Shape:
    """The sizes that amounts by hand ask for.

    Args:
        config: the model's own.
        layers: how many stay. ffn: share of the neurons that goes. heads: share of the heads. hidden: the size left.

    Raises:
        ToolkitError: sizes that the stock class does not rebuild.
    """
    whole, free, size = structure.shape(config), structure.family(config).free_heads, structure.head_size(config)
    if layers is not None and layers > whole.layers:
        raise ToolkitError(f"--layers {layers}: the model has {whole.layers}", "keep fewer")
    if heads and not free:
        kept = max(1, round(whole.heads * (1 - heads))) * size
        raise ToolkitError(
            f"--heads: in a {config.model_type} the size of a head is hidden size / heads, so heads do not go alone",
            f"cut both: --hidden {kept} leaves {kept // size} of {whole.heads}",
        )
    left = whole.heads if not heads else max(1, round(whole.heads * (1 - heads)))
    if hidden is not None:
        _check_hidden(config, hidden)
        left = left if free else hidden // size
    return Shape(layers or whole.layers, part(whole.ffn, 1 - ffn), left, hidden or whole.hidden)


def _check_hidden(config: Any, hidden: int) -> None:
    whole, size = structure.shape(config), structure.head_size(config)
    step = MULTIPLE if structure.family(config).free_heads else size
    if hidden > whole.hidden:
        raise ToolkitError(f"--hidden {hidden}: the model has {whole.hidden}", "give less")
    if hidden % step:
        near = max(step, round(hidden / step) * step)
        why = "heads" if step == size else "numbers"
        raise ToolkitError(f"--hidden {hidden} is no multiple of {step} (whole {why} alone reload)", f"take {near}")
    if not structure.rebuilds(config, hidden):
        raise ToolkitError(
            f"--hidden {hidden} is the size of the embeddings, between which and the layers stands a matrix that a "
            "stock model of these sizes has not",
            f"take {hidden + step}, or less than {hidden}",
        )


def part(whole: int, share: float) -> int:
    """A share of a width, in multiples that kernels like; at least one of them."""
    return min(whole, max(MULTIPLE, round(whole * share / MULTIPLE) * MULTIPLE))


def between(whole: Shape, to: Shape, share: float, config: Any) -> Shape:
    """The sizes after a share of the way from `whole` to `to`; whole heads."""
    at = [a - round((a - b) * share) for a, b in zip(whole, to, strict=True)]
    found = Shape(at[0], part(whole.ffn, at[1] / whole.ffn), at[2], at[3]) if share < 1 else to
    if structure.family(config).free_heads:
        return found._replace(hidden=found.hidden if share == 1 else part(whole.hidden, at[3] / whole.hidden))
    size = structure.head_size(config)
    heads = found.heads if structure.rebuilds(config, found.heads * size) else found.heads + 1
    return found._replace(heads=heads, hidden=heads * size)


def order(model: Any, task: Task, batches: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """The layers in the order in which they are best removed, each with the loss after it; one stays."""
    count = structure.shape(model.config).layers - 1
    return importance.least_important_layers(model, task, batches, count)


def choose(
    model: Any,
    task: Task,
    batches: list[dict[str, Any]],
    to: Shape,
    measure: str,
    order: list[tuple[int, float]] | None = None,
    scores: Importance | None = None,
) -> Cut:
    """What of the model stays when it is cut to these sizes: layers by the loss without them, the rest by `measure`.

    Args:
        order: the layers as the function of this name has found them already.
        scores: of the units of the whole model, where they are known.
    """
    whole = structure.shape(model.config)
    count = whole.layers - to.layers
    removed = (order or importance.least_important_layers(model, task, batches, count))[:count]
    kept = sorted(set(range(whole.layers)) - {number for number, _ in removed})
    cut: Cut = {
        "layers": kept,
        "layers_removed": [{"layer": number, "calibration_loss_without": loss} for number, loss in removed],
        "ffn": None,
        "heads": None,
        "hidden": None,
        "pooled": None,
    }
    if to[1:] == whole[1:]:
        return cut
    if scores is None or removed:
        left = copy.deepcopy(model)
        structure.keep_layers(left, kept)
        scores = importance.measured(left, task, batches, measure)
    if to.ffn < whole.ffn:
        cut["ffn"] = [_best(s, to.ffn) for s in scores.ffn]
    if to.heads < whole.heads:
        cut["heads"] = [_best(s, to.heads) for s in scores.heads]
    if to.hidden < whole.hidden:
        cut["hidden"] = _best(scores.hidden, to.hidden)
        cut["pooled"] = None if scores.pooled is None else _best(scores.pooled, to.hidden)
    return cut


def apply(model: Any, cut: Cut) -> None:
    """Make the cut in place."""
    structure.keep_layers(model, cut["layers"])
    if cut["ffn"] is not None:
        structure.keep_ffn(model, cut["ffn"])
    if cut["heads"] is not None:
        structure.keep_heads(model, cut["heads"])
    if cut["hidden"] is not None:
        structure.keep_hidden(model, cut["hidden"], cut["pooled"])


def _best(scores: Any, count: int) -> list[int]:
    found: list[int] = scores.argsort(descending=True, stable=True)[:count].tolist()
    return sorted(found)


def told(to: Shape) -> str:
    """Sizes in words."""
    return f"{to.layers} layers of {to.ffn} neurons and {to.heads} heads, hidden size {to.hidden}"


def steps(config: Any, amounts: Sequence[float]) -> dict[str, list[Shape]]:
    """Of each part the sizes that are left when about such shares of it go, the largest first."""
    whole, free = structure.shape(config), structure.family(config).free_heads
    size = structure.head_size(config)
    heads = [max(1, round(whole.heads * (1 - a))) for a in amounts]
    hidden = [part(whole.hidden, 1 - a) for a in amounts] if free else [count * size for count in heads]
    found = {
        "layers": [whole._replace(layers=max(1, whole.layers - round(whole.layers * a))) for a in (*amounts, 1.0)],
        "ffn": [whole._replace(ffn=part(whole.ffn, 1 - a)) for a in amounts],
        "hidden": [
            whole._replace(hidden=width, heads=whole.heads if free else width // size)
            for width in hidden
            if structure.rebuilds(config, width)
        ],
        "heads": [whole._replace(heads=count) for count in heads if free],
    }
    smaller = {name: {to for to in sizes if to != whole} for name, sizes in found.items()}
    return {name: sorted(sizes, reverse=True) for name, sizes in smaller.items() if sizes}


def left(name: str, to: Shape) -> int:
    """How much of a part there is."""
    return int(getattr(to, name))


def grid(config: Any, amounts: Sequence[float]) -> list[Shape]:
    """Combinations of sizes between the whole model and the smallest of `steps`."""
    whole, free = structure.shape(config), structure.family(config).free_heads
    measured, eighths = steps(config, amounts), [1 - i / 8 for i in range(7)]
    size = structure.head_size(config)
    values = {
        "layers": range(1, whole.layers + 1),
        "ffn": {part(whole.ffn, share) for share in eighths},
        "heads": range(1, whole.heads + 1) if free else [whole.heads],
        "hidden": {part(whole.hidden, s) for s in eighths} if free else range(size, whole.hidden + 1, size),
    }
    least = {name: min(left(name, to) for to in measured.get(name, [whole])) for name in values}
    sizes = [[v for v in values[name] if v >= least[name]] for name in Shape._fields]
    found = [to for to in itertools.starmap(Shape, itertools.product(*sizes)) if structure.rebuilds(config, to.hidden)]
    return found if free else [to._replace(heads=to.hidden // size) for to in found]


def counter(model: Any) -> Callable[[Shape], int]:
    """The number of parameters by sizes; each layer has as many as the next."""

    @cache
    def of(layers: int, *rest: int) -> int:
        return structure.parameters(type(model), model.config, Shape(layers, *rest))

    return lambda to: of(1, *to[1:]) + (to.layers - 1) * (of(2, *to[1:]) - of(1, *to[1:]))


def units(model: Any, scores: Importance) -> dict[str, list[list[tuple[Group, Scores]]]]:
    """Of each layer its neurons, and its heads where they may go alone, with their scores."""
    found = {"ffn": structure.ffn_groups(model)}
    if structure.family(model.config).free_heads:
        found["heads"] = structure.head_groups(model)
    return {
        name: [[pair] for pair in zip(groups, getattr(scores, name), strict=True)] for name, groups in found.items()
    }


def places(model: Any) -> dict[str, list[Any]]:
    """By part the modules, of each layer, whose time its cut saves.

    The last layer may be computed for the first token alone; without it the one before is, whose time is saved then.
    """
    found = list(structure.layers(model))
    return {"ffn": found, "heads": found, "layers": [*found[:-1], found[-2:][0]]}


def without(model: Any) -> dict[int, Callable[[], AbstractContextManager[None]]]:
    """By its number, of each layer: inside, the model is without it; one layer alone stays."""
    count = len(structure.layers(model))
    return {number: partial(_left_out, model, number) for number in range(count) if count > 1}


@contextmanager
def _left_out(model: Any, layer: int) -> Iterator[None]:
    found = structure.layers(model)
    whole = list(found)
    del found[layer]
    yield
    del found[:]
    found.extend(whole)
