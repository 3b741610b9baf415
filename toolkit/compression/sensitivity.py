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
from typing import Any

import numpy as np
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
        whole, *rates = self._in_turns([*models.values()], lambda run, model: [run()])
        return {name: round(rate[0] / whole[0], 3) for name, rate in zip(models, rates, strict=True)}

    def alone(self, part: str, models: list[Any]) -> list[list[float]]:
        """What cutting one layer alone brings, by model and layer: times as fast as the original.

        From the seconds inside of each layer, in the original and in models in which the part is cut everywhere;
        with no such models, of leaving the layer out.
        """
        places = families.of(self.model.config.model_type).places

        def watched(run: Callable[[], float], model: Any) -> list[float]:
            with _clocked([model, *places(model)[part]], self.device) as seconds:
                run()
            return seconds

        (whole, *before), *cut = self._in_turns(models, watched)
        after = [seconds[1:] for seconds in cut] or [[0.0] * len(before)]
        return [[round(whole / (whole - b + a), 3) for b, a in zip(before, found, strict=True)] for found in after]

    def _in_turns(
        self, models: list[Any], measured: Callable[[Callable[[], float], Any], list[float]]
    ) -> list[list[float]]:
        """Medians of what a function of a run (its samples a second) and its model tells, the original's first."""
        every = [copy.deepcopy(self.model), *models]
        predictor = partial(predictors.build, "torch", reader=self.task.reader, names=self.names, device=self.device)
        contents = [self.contents[i] for i in spread(len(self.contents), TIMED_ROWS)]
        contents = contents * -(-TIMED_ROWS // len(contents))  # whole batches
        runs = [partial(predictor(model=model).throughput, contents, BATCH_SIZE) for model in every]
        rounds = [
            [measured(run, model) for run, model in zip(runs, every, strict=True)]
            for _ in console.track(range(ROUNDS + 1), "timing")
        ]
        for model in models:
            model.to("cpu")
        found: list[list[float]] = np.median(rounds[1:], axis=0).tolist()  # the first warmed up
        return found

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

    `layers` tells of one layer cut alone, which no stock class holds, `whole` of all of them.
    """
    base = bench.quality(bench.model)
    return {"rows": len(bench.rows), "base": base, "layers": _by_layer(bench), "whole": _whole(bench)}


def _by_layer(bench: Bench) -> list[Found]:
    """Quality with a share of one layer's units silenced, or the whole layer left out."""
    family = families.of(bench.model.config.model_type)
    units, without = family.units(bench.model, bench.scores), family.without(bench.model)
    tries = [(part, i, a) for part, layers in units.items() for i in range(len(layers)) for a in AMOUNTS]
    tries += [("layers", i, 1.0) for i in without]
    speeds = {
        part: kept(bench.work / f"{part}-alone.json", partial(_speeds, bench, part)) for part in (*units, "layers")
    }

    def tried(part: str, layer: int, amount: float) -> Found:
        with without[layer]() if part == "layers" else _silenced(units[part][layer], amount):
            return bench.quality(bench.model)

    out = []
    for part, layer, amount in console.track(tries, "sensitivity of layers"):
        path = bench.work / f"{part}-{layer}-{amount}.json"
        found = kept(path, partial(tried, part, layer, amount))
        speed = speeds[part][AMOUNTS.index(amount) if part != "layers" else 0][layer]
        out.append({"part": part, "layer": layer, "amount": amount} | found | {"speedup": speed})
    return out


def _speeds(bench: Bench, part: str) -> list[list[float]]:
    """By amount and layer (of "layers" by layer, left out)."""
    config, family = bench.model.config, families.of(bench.model.config.model_type)
    sizes = [family.steps(config, (a,)).get(part, [family.shape(config)])[0] for a in AMOUNTS if part != "layers"]
    return bench.alone(part, [bench.cut(to) for to in sizes])


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
def _clocked(modules: list[Any], device: str) -> Iterator[list[float]]:
    """The seconds that each of the modules is at work inside, added up."""
    seconds = [0.0] * len(modules)

    def add(i: int, sign: int, *_: Any) -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        seconds[i] += sign * time.perf_counter()

    hooks = [module.register_forward_pre_hook(partial(add, i, -1)) for i, module in enumerate(modules)]
    hooks += [module.register_forward_hook(partial(add, i, 1)) for i, module in enumerate(modules)]
    yield seconds
    for hook in hooks:
        hook.remove()


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
