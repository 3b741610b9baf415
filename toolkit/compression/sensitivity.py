"""What each part of a model costs when it is cut and nothing is trained: quality by layer and amount, and speed.

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
from toolkit.compression import channel_importance, families
from toolkit.compression.distill.losses import softened
from toolkit.compression.importance import Scores
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
        now, whole = (torch.from_numpy(logits).double() for logits in (said, self.answers))
        far = softened(now, whole, 1.0, right.ndim > 1).mean()
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
    def scores(self) -> Any:
        """Of the units of the whole model."""
        scores = families.of(self.model.config.model_type).scores
        return scores(self.model, self.task, self.batches, self.importance)

    @cached_property
    def order(self) -> list[Any]:
        """The layers in the order in which they are best removed."""
        order = families.of(self.model.config.model_type).order
        found: list[Any] = kept(self.work / "order.json", lambda: order(self.model, self.task, self.batches))
        return found

    def cut(self, to: Any) -> Any:
        """A copy of the model, cut to these sizes and not trained."""
        out, family = copy.deepcopy(self.model), families.of(self.model.config.model_type)
        cut = family.choose(out, self.task, self.batches, to, self.importance, self.order, self.scores)
        family.apply(out, cut)
        channel_importance.settle(out, self.task, self.batches)
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
    family = families.of(bench.model.config.model_type)
    units, without = family.units(bench.model, bench.scores), family.without(bench.model)
    tries = [(part, i, a) for part, layers in units.items() for i in range(len(layers)) for a in AMOUNTS]
    tries += [("layers", i, 1.0) for i in without]

    def tried(part: str, layer: int, amount: float) -> Found:
        with without[layer]() if part == "layers" else _silenced(units[part][layer], amount):
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
    for part, sizes in families.of(bench.model.config.model_type).steps(bench.model.config, AMOUNTS).items():
        out += kept(bench.work / f"{part}.json", partial(_of_part, bench, part, sizes))
    return out


def _of_part(bench: Bench, part: str, sizes: list[Any]) -> list[Found]:
    config, left = bench.model.config, families.of(bench.model.config.model_type).left
    models = {str(i): bench.cut(to) for i, to in enumerate(sizes)}
    qualities = {name: bench.quality(model) for name, model in console.track(list(models.items()), f"cutting {part}")}
    speeds = bench.speedups(models)
    return [
        {"part": part, "amount": amount(config, part, sizes[int(name)]), "left": left(part, sizes[int(name)])}
        | qualities[name]
        | {"speedup": speeds[name], "parameters": model.num_parameters()}
        for name, model in models.items()
    ]


def amount(config: Any, part: str, to: Any) -> float:
    """The share of a part that is gone."""
    family = families.of(config.model_type)
    return round(1 - family.left(part, to) / family.left(part, family.shape(config)), 4)


@contextmanager
def _silenced(units: list[tuple[Any, Scores]], amount: float) -> Iterator[None]:
    """Nothing reads the share of each group's units with the least scores: what they tell is as if they were cut."""
    before = []
    for group, scores in units:
        least = scores.argsort(stable=True)[: round(len(scores) * amount)]
        entries = (least[:, None] * group.size + torch.arange(group.size)).flatten()
        for module in group.readers:
            before.append((module, module.weight.detach().clone()))
            module.weight.data[:, entries] = 0
    yield
    for module, weight in before:
        module.weight.data.copy_(weight)
