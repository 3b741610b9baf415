"""From a target to sizes: a search over measured sensitivity, its best guesses cut and measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from toolkit import console
from toolkit.compression import prune, sensitivity, structure
from toolkit.compression.sensitivity import Bench, Found
from toolkit.compression.structure import Shape

TRIES, ENOUGH = 6, 3  # how many guesses are measured at most, and of those how many that meet the target
MARGIN = 1.05  # of a speed-up: what timing may be off
RUNGS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)  # speed-ups between which a bound on accuracy is sought


class Guess(NamedTuple):
    """A model of these sizes: the loss untrained and the speed against the original that are expected of it, and its
    share of the parameters."""

    to: Shape
    loss: float
    speedup: float
    params: float


def guesses(model: Any, measured: Found) -> list[Guess]:
    """Every combination of sizes that lies within what was measured.

    Losses of the parts add up, times multiply; both are interpolated between the amounts that were measured.
    """
    config = model.config
    curves = {part: _curve(measured, part) for part in sensitivity.steps(config)}
    whole, count = structure.shape(config), _counter(model)
    out = []
    for to in _grid(config):
        loss, ratio = measured["base"]["loss"], 1.0
        for part, (amounts, losses, times) in curves.items():
            gone = sensitivity.amount(config, part, to)
            loss += float(np.interp(gone, amounts, losses))
            ratio *= float(np.interp(gone, amounts, times))
        if to != whole:
            out.append(Guess(to, loss, 1 / ratio, count(to) / count(whole)))
    return out


def _mildest(guess: Guess) -> tuple[float, float]:
    """The least loss; of several the slowest."""
    return guess.loss, guess.speedup


def _counter(model: Any) -> Callable[[Shape], int]:
    """The number of parameters by sizes; each layer has as many as the next."""

    @cache
    def of(layers: int, *rest: int) -> int:
        return structure.parameters(type(model), model.config, Shape(layers, *rest))

    return lambda to: of(1, *to[1:]) + (to.layers - 1) * (of(2, *to[1:]) - of(1, *to[1:]))


def _curve(measured: Found, part: str) -> tuple[list[float], list[float], list[float]]:
    """Of a part the amounts, what each adds to the loss (a larger one no less), and its time over the original's."""
    found = sorted((m for m in measured["whole"] if m["part"] == part), key=lambda m: m["amount"])
    losses = np.maximum.accumulate([0.0, *(m["loss"] - measured["base"]["loss"] for m in found)]).tolist()
    return [0.0, *(m["amount"] for m in found)], losses, [1.0, *(1 / m["speedup"] for m in found)]


def _grid(config: Any) -> list[Shape]:
    whole, free = structure.shape(config), structure.family(config).free_heads
    steps, eighths = sensitivity.steps(config), [1 - i / 8 for i in range(7)]
    size = structure.head_size(config)
    values = {
        "layers": range(1, whole.layers + 1),
        "ffn": {prune.part(whole.ffn, share) for share in eighths},
        "heads": range(1, whole.heads + 1) if free else [whole.heads],
        "hidden": {prune.part(whole.hidden, s) for s in eighths} if free else range(size, whole.hidden + 1, size),
    }
    least = {part: min(steps.get(part, [getattr(whole, part)])) for part in values}
    sizes = [[v for v in values[part] if v >= least[part]] for part in Shape._fields]
    found = [to for to in itertools.starmap(Shape, itertools.product(*sizes)) if structure.rebuilds(config, to.hidden)]
    return found if free else [to._replace(heads=to.hidden // size) for to in found]


def search(bench: Bench, measured: Found, *, speedup: float | None, params: float | None) -> tuple[Shape, list[Found]]:
    """The sizes that meet a target at the least loss, or come nearest to it; and all that were measured on the way.

    Args:
        speedup: the least samples a second, times the original's. params: the most parameters, as a share.
    """
    left, tried = guesses(bench.model, measured), []
    off = 1.0  # what the last guess of a speed-up was off

    def lacking(found_speedup: float, found_params: float) -> float:
        """0 and less meet the target."""
        return speedup * MARGIN / found_speedup - 1 if speedup else found_params / (params or 1.0) - 1

    for number in console.track(range(min(TRIES, len(left))), "trying sizes"):
        enough = [g for g in left if lacking(g.speedup * off, g.params) <= 0]
        nearest = min(left, key=lambda g: lacking(g.speedup * off, g.params))
        guess = min(enough, key=_mildest) if enough else nearest
        found = sensitivity.kept(bench.work / f"try-{number}.json", _trial(bench, guess))
        off = found["speedup"] / guess.speedup
        tried.append(found | {"lacking": lacking(found["speedup"], guess.params)})
        left.remove(guess)
        if not enough or sum(t["lacking"] <= 0 for t in tried) == ENOUGH:
            break
    met = [t for t in tried if t["lacking"] <= 0]
    best = min(met, key=lambda t: t["loss"]) if met else min(tried, key=lambda t: t["lacking"])
    return Shape(*best["sizes"]), tried


def _trial(bench: Bench, guess: Guess) -> Callable[[], Found]:
    def run() -> Found:
        model = bench.cut(guess.to)
        quality, speed = bench.quality(model), bench.speedups({"cut": model})["cut"]
        return {"sizes": list(guess.to), "speedup": speed, "parameters": model.num_parameters()} | quality

    return run


def ladder(model: Any, measured: Found) -> list[Shape]:
    """Sizes of less and less time, each those of the least loss expected at its speed."""
    found = guesses(model, measured)
    fast = [[guess for guess in found if guess.speedup >= rung] for rung in RUNGS]
    chosen = [min(some, key=_mildest).to for some in (*fast, found) if some]
    return list(dict.fromkeys(chosen[:-1] or chosen))


def furthest(count: int, holds: Callable[[int], bool]) -> int | None:
    """The last of `count` rungs that holds, by bisection (a rung is taken to hold where a later one does)."""
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low if low >= 0 else None
