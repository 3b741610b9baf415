"""From a target to sizes: a search over measured sensitivity, its best guesses cut and measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from toolkit import console
from toolkit.compression import families, sensitivity
from toolkit.compression.sensitivity import AMOUNTS, Bench, Found

TRIES, ENOUGH = 6, 3  # how many guesses are measured at most, and of those how many that meet the target
MARGIN = 1.05  # of a speed-up: what timing may be off
RUNGS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)  # speed-ups between which a bound on accuracy is sought


class Guess(NamedTuple):
    """A model of these sizes: how far from the original's its answers are expected to be when nothing is trained, how
    many times as fast it is expected to be, and its share of the parameters."""

    to: Any
    divergence: float
    speedup: float
    params: float


def guesses(model: Any, measured: Found) -> list[Guess]:
    """Every combination of sizes that lies within what was measured.

    Divergences of the parts add up, times multiply; both are interpolated between the amounts that were measured.
    """
    config, family = model.config, families.of(model.config.model_type)
    curves = {part: _curve(measured, part) for part in family.steps(config, AMOUNTS)}
    whole, count = family.shape(config), family.counter(model)
    out = []
    for to in family.grid(config, AMOUNTS):
        far, ratio = 0.0, 1.0
        for part, (amounts, divergences, times) in curves.items():
            gone = sensitivity.amount(config, part, to)
            far += float(np.interp(gone, amounts, divergences))
            ratio *= float(np.interp(gone, amounts, times))
        if to != whole:
            out.append(Guess(to, far, 1 / ratio, count(to) / count(whole)))
    return out


def _mildest(guess: Guess) -> tuple[float, float]:
    """The least divergence; of several the largest, since speeds are never the same twice."""
    return guess.divergence, -guess.params


def _curve(measured: Found, part: str) -> tuple[list[float], list[float], list[float]]:
    """Of a part the amounts, the divergence of each (a larger one's no less), and its time over the original's."""
    found = sorted((m for m in measured["whole"] if m["part"] == part), key=lambda m: m["amount"])
    divergences = np.maximum.accumulate([0.0, *(m["divergence"] for m in found)]).tolist()
    return [0.0, *(m["amount"] for m in found)], divergences, [1.0, *(1 / m["speedup"] for m in found)]


def search(bench: Bench, measured: Found, *, speedup: float | None, params: float | None) -> tuple[Any, list[Found]]:
    """The sizes that meet a target at the least divergence, or come nearest to it; and all that were measured.

    Args:
        speedup: the least samples a second, times the original's. params: the most parameters, as a share.
    """
    left, tried, sizes = guesses(bench.model, measured), list[Found](), list[Any]()
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
        share = found["parameters"] / bench.model.num_parameters()
        tried.append(found | {"lacking": lacking(found["speedup"], share)})
        sizes.append(guess.to)
        left.remove(guess)
        if not enough or sum(t["lacking"] <= 0 for t in tried) == ENOUGH:
            break
    best = min(range(len(tried)), key=lambda i: (max(0.0, tried[i]["lacking"]), tried[i]["divergence"]))
    return sizes[best], tried


def _trial(bench: Bench, guess: Guess) -> Callable[[], Found]:
    def run() -> Found:
        model = bench.cut(guess.to)
        quality, speed = bench.quality(model), bench.speedups({"cut": model})["cut"]
        return {"sizes": list(guess.to), "speedup": speed, "parameters": model.num_parameters()} | quality

    return run


def ladder(model: Any, measured: Found) -> list[Any]:
    """Sizes of less and less time, each those of the least divergence expected at its speed."""
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
