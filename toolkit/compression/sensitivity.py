"""What each part of an encoder costs when it is cut and nothing is trained: quality by layer and amount, and speed.

Quality is measured on rows of validation, speed on this machine: the models of one part in turns with the original.
What was measured is kept in the work folder, so that a killed run does not measure it again.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from toolkit import console, ranks
from toolkit.compression import importance, prune, structure
from toolkit.compression.importance import Importance
from toolkit.compression.structure import Group, Shape
from toolkit.data.sample import spread
from toolkit.inference import predictor as predictors
from toolkit.reading import Encoded
from toolkit.training import trainer
from toolkit.training.tasks import Task

AMOUNTS = (0.25, 0.5, 0.75)  # shares that go
MOST_ROWS = 512  # that quality is measured on
TIMED_ROWS, BATCH_SIZE, ROUNDS = 128, 32, 3

Found = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """A model and what its cuts are tried on.

    batches: of calibration. rows: encoded, of validation. contents: as the reader takes them, to be timed.
    work: where what was measured is kept.
    """

    model: Any
    task: Task
    batches: list[dict[str, Any]]
    rows: Encoded
    contents: list[Any]
    names: list[str]
    importance: str
    device: str
    work: Path

    def quality(self, model: Any) -> Found:
        """Accuracy and loss on validation, and how far the answers are from the whole model's (KL divergence, nats).

        The search goes by the last: a model that is too sure of itself has less loss when it is cut, and more errors.
        """
        said, right = trainer.answers(model, self.task, self.rows)
        figures = self.task.figures(said, right)
        now, whole = (torch.from_numpy(logits).double().log_softmax(-1) for logits in (said, self.answers))
        far = torch.nn.functional.kl_div(now, whole, log_target=True, reduction="batchmean")
        return {name: figures[name] for name in ("accuracy", "loss")} | {"divergence": max(0.0, float(far))}

    def speedups(self, models: dict[str, Any]) -> dict[str, float]:
        """How many times as many samples a second as the original, timed in turns with it."""
        every = {"": copy.deepcopy(self.model)} | models
        run = {
            name: predictors.build("torch", model, self.task.reader, self.names, self.device)
            for name, model in every.items()
        }
        contents = [self.contents[i] for i in spread(len(self.contents), TIMED_ROWS)]
        contents = contents * -(-TIMED_ROWS // len(contents))  # whole batches
        rates: dict[str, list[float]] = {name: [] for name in every}
        for number in console.track(range(ROUNDS + 1), "timing"):  # the first warms up
            for name, predictor in run.items():
                rate = predictor.throughput(contents, BATCH_SIZE)
                rates[name] += [rate] * (number > 0)
        for model in models.values():
            model.to("cpu")
        return {name: round(median(rates[name]) / median(rates[""]), 3) for name in models}

    @cached_property
    def answers(self) -> Any:
        """Of the whole model."""
        return trainer.answers(self.model, self.task, self.rows)[0]

    @cached_property
    def scores(self) -> Importance:
        """Of the units of the whole model."""
        return importance.measured(self.model, self.task, self.batches, self.importance)

    @cached_property
    def order(self) -> list[tuple[int, float]]:
        """The layers in the order in which they are best removed, each with the loss after it; one stays."""
        count = structure.shape(self.model.config).layers - 1
        found = kept(
            self.work / "order.json",
            lambda: importance.least_important_layers(self.model, self.task, self.batches, count),
        )
        return [(number, loss) for number, loss in found]

    def cut(self, to: Shape) -> Any:
        """A copy of the model, cut to these sizes and not trained."""
        out = copy.deepcopy(self.model)
        cut = prune.choose(out, self.task, self.batches, to, self.importance, self.order, self.scores)
        prune.apply(out, cut)
        return out


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What `make` gives, as JSON: rank 0 asks it once and keeps it in a file, from which all go on."""
    while not path.is_file():
        if not ranks.leads():
            time.sleep(0.2)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(make()))
        os.replace(aside, path)
    return json.loads(path.read_text())


def measure(bench: Bench) -> Found:
    """All of it: `{"rows", "base", "layers": [...], "whole": [...]}`, as docs/schemas/sensitivity.json has it.

    `layers` tells of one layer cut alone, which no stock class holds, so without a speed; `whole` of all of them.
    """
    base = bench.quality(bench.model)
    return {"rows": len(bench.rows), "base": base, "layers": _by_layer(bench), "whole": _whole(bench)}


def _by_layer(bench: Bench) -> list[Found]:
    """Quality with a share of one layer's units silenced, or the whole layer left out."""
    groups = {"ffn": structure.ffn_groups(bench.model)}
    if structure.family(bench.model.config).free_heads:
        groups["heads"] = structure.head_groups(bench.model)
    tries = [(part, i, a) for part in groups for i in range(len(groups[part])) for a in AMOUNTS]
    tries += [("layers", i, 1.0) for i in range(len(groups["ffn"])) if len(groups["ffn"]) > 1]

    def tried(part: str, layer: int, amount: float) -> Found:
        if part == "layers":
            with _without(bench.model, layer):
                return bench.quality(bench.model)
        group = groups[part][layer]
        order = getattr(bench.scores, part)[layer].argsort(stable=True)
        with _silenced(group, order[: round(len(order) * amount)]):
            return bench.quality(bench.model)

    out = []
    for part, layer, amount in console.track(tries, "sensitivity of layers"):
        path = bench.work / f"{part}-{layer}-{amount}.json"
        found = kept(path, partial(tried, part, layer, amount))
        out.append({"part": part, "layer": layer, "amount": amount} | found)
    return out


def _whole(bench: Bench) -> list[Found]:
    """Quality, speed and size of models cut in one part, everywhere alike."""
    out = []
    for part, values in steps(bench.model.config).items():
        out += kept(bench.work / f"{part}.json", partial(_of_part, bench, part, values))
    return out


def _of_part(bench: Bench, part: str, values: list[int]) -> list[Found]:
    shapes = {str(value): with_part(bench.model.config, part, value) for value in values}
    models = {name: bench.cut(to) for name, to in shapes.items()}
    qualities = {name: bench.quality(model) for name, model in console.track(list(models.items()), f"cutting {part}")}
    speeds = bench.speedups(models)
    return [
        {"part": part, "amount": amount(bench.model.config, part, to), "left": int(name)}
        | qualities[name]
        | {"speedup": speeds[name], "parameters": models[name].num_parameters()}
        for name, to in shapes.items()
    ]


def steps(config: Any) -> dict[str, list[int]]:
    """The sizes of each part that are measured, the largest first."""
    whole, free = structure.shape(config), structure.family(config).free_heads
    size = structure.head_size(config)
    sizes = {
        "layers": [*(whole.layers - round(whole.layers * a) for a in AMOUNTS), 1],
        "ffn": [prune.part(whole.ffn, 1 - a) for a in AMOUNTS],
        "hidden": [
            prune.part(whole.hidden, 1 - a) if free else max(1, round(whole.heads * (1 - a))) * size for a in AMOUNTS
        ],
    }
    if free:
        sizes["heads"] = [max(1, round(whole.heads * (1 - a))) for a in AMOUNTS]
    sizes["hidden"] = [hidden for hidden in sizes["hidden"] if structure.rebuilds(config, hidden)]
    found = {
        part: sorted({v for v in values if v < getattr(whole, part)}, reverse=True) for part, values in sizes.items()
    }
    return {part: values for part, values in found.items() if values}


def with_part(config: Any, part: str, value: int) -> Shape:
    """The model's sizes but for one part; heads go with the hidden size where they must."""
    to = structure.shape(config)._replace(**{part: value})
    if part == "hidden" and not structure.family(config).free_heads:
        to = to._replace(heads=value // structure.head_size(config))
    return to


def amount(config: Any, part: str, to: Shape) -> float:
    """The share of a part that is gone."""
    left: int = getattr(to, part)
    whole: int = getattr(structure.shape(config), part)
    return round(1 - left / whole, 4)


@contextmanager
def _silenced(group: Group, units: Any) -> Iterator[None]:
    """Nothing reads these units: what they tell is as if they were cut."""
    entries = (units[:, None] * group.size + torch.arange(group.size)).flatten()
    before = [module.weight.detach().clone() for module in group.readers]
    for module in group.readers:
        module.weight.data[:, entries] = 0
    yield
    for module, weight in zip(group.readers, before, strict=True):
        module.weight.data.copy_(weight)


@contextmanager
def _without(model: Any, layer: int) -> Iterator[None]:
    found = structure.layers(model)
    whole = list(found)
    del found[layer]
    yield
    del found[:]
    found.extend(whole)
