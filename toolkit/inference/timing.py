"""Speed and memory of predictors, measured side by side: interleaved rounds, medians, warmed up."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from toolkit import console
from toolkit.data.sample import spread
from toolkit.inference.predictor import Predictor

ROUNDS, LEAST_ROUNDS = 5, 3
WARM_UP = 2
LATENCY_ROWS = 200
BATCH_SIZE = 32
MOST_ROWS = 2048  # more rows would only take longer
PROBE_ROWS = 2 * BATCH_SIZE  # that tell a model's speed roughly, of a model alone
LEAST_BATCHES = 4  # fewer would time the filling of a batch
SIZES = (8, BATCH_SIZE, 128)  # of a batch, at which a model alone is timed; batch 1 is told by its latencies
PASS_SECONDS = 0.4  # that a pass over what is timed shall take, of a model alone
SECONDS = 8.0  # after which no further round of a model alone begins


def measure(
    predictors: dict[str, Predictor], contents: Sequence[Any], batch_size: int = BATCH_SIZE
) -> dict[str, dict[str, Any]]:
    """Samples a second at `batch_size` and latency (ms) at batch 1 of each predictor on the same contents.

    Rounds of all predictors alternate, so that whatever else the machine does falls on all alike; the median round
    counts, and `spread` is the range of the rounds over the median.
    """
    contents = _sample(contents, MOST_ROWS, LEAST_BATCHES * batch_size)
    single = _single(contents)
    rates: dict[str, list[float]] = {name: [] for name in predictors}
    delays: dict[str, list[float]] = {name: [] for name in predictors}
    for predictor in predictors.values():
        for _ in range(WARM_UP):  # every shape of the timed run, on every core
            predictor.probabilities(contents, batch_size)
        predictor.latencies(single)
    for round_ in console.track(range(ROUNDS), "timing"):
        for name, predictor in predictors.items():
            rates[name].append(predictor.throughput(contents, batch_size))
            delays[name] += predictor.latencies(single[round_::ROUNDS])
    return {name: _rate(rates[name]) | {"latency_ms": _latency(delays[name])} for name in predictors}


def profile(predictor: Predictor, contents: Sequence[Any], sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """The figures of `measure` of a model alone, with `by_batch_size`; in bounded time.

    What is timed is as much as the model reads in `PASS_SECONDS`, but at least a batch for all that run at a time, and
    a row more (fewer would be run as one alone); the sizes take turns, so that what else the machine does falls on all
    alike. Batch 1 is each content by itself, as a server has it.
    """
    sizes = sorted({*sizes, BATCH_SIZE})
    rate = predictor.throughput(_sample(contents, PROBE_ROWS, PROBE_ROWS), BATCH_SIZE)
    most = min(MOST_ROWS, int(rate * PASS_SECONDS))
    least = {size: size * predictor.backend.lanes + 1 for size in sizes}
    samples = {size: _sample(contents, max(least[size], most), least[size]) for size in sizes}
    single = _single(samples[sizes[-1]])
    for size in sizes:  # every shape of the timed run
        predictor.probabilities(samples[size], size)
    predictor.latencies(single[::2])
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    delays: list[float] = []
    started = time.perf_counter()
    for round_ in console.track(range(ROUNDS), "timing"):
        for size in sizes:
            rates[size].append(predictor.throughput(samples[size], size))
        delays += predictor.latencies(single[round_::ROUNDS])
        if round_ + 1 >= LEAST_ROUNDS and time.perf_counter() - started > SECONDS:
            break
    by_size = {1: round(len(delays) / sum(delays), 1)}
    by_size |= {size: _rate(found)["samples_per_second"] for size, found in rates.items()}
    return _rate(rates[BATCH_SIZE]) | {
        "by_batch_size": {str(size): found for size, found in by_size.items()},
        "latency_ms": _latency(delays),
    }


def _rate(rates: list[float]) -> dict[str, float]:
    """Of the rounds the median, and their range over it."""
    middle = median(rates)
    return {"samples_per_second": round(middle, 1), "spread": round((max(rates) - min(rates)) / middle, 3)}


def _latency(delays: list[float]) -> dict[str, float]:
    """Percentiles in ms."""
    import numpy as np

    return {f"p{at}": round(float(np.percentile(delays, at)) * 1e3, 3) for at in (50, 95, 99)}


def _single(contents: Sequence[Any]) -> Sequence[Any]:
    """What is timed one by one: evenly spaced."""
    return [contents[i] for i in spread(len(contents), LATENCY_ROWS)]


def _sample(contents: Sequence[Any], most: int, least: int) -> list[Any]:
    """What is timed: evenly spaced where there is much, repeated where there is little."""
    chosen = [contents[i] for i in spread(len(contents), most)]
    return chosen * -(-least // len(chosen))


def peak_memory_bytes() -> int:
    """Peak resident memory of this process, libraries included."""
    import resource

    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
