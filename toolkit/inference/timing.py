"""Speed and memory of predictors, measured side by side: interleaved rounds, medians, warmed up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from toolkit import console
from toolkit.inference.predictor import Predictor

ROUNDS = 5
WARM_UP = 2
LATENCY_ROWS = 200
BATCH_SIZE = 32
MOST_ROWS = 2048  # more rows would only take longer
LEAST_BATCHES = 4  # fewer would time the filling of a batch


def measure(
    predictors: dict[str, Predictor], contents: Sequence[Any], batch_size: int = BATCH_SIZE
) -> dict[str, dict[str, Any]]:
    """Samples a second at `batch_size` and latency (ms) at batch 1 of each predictor on the same contents.

    Rounds of all predictors alternate, so that whatever else the machine does falls on all alike; the median round
    counts, and `spread` is the range of the rounds over the median.
    """
    import numpy as np

    contents = _sample(contents, batch_size)
    single = contents[:: max(1, len(contents) // LATENCY_ROWS)][:LATENCY_ROWS]
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
    return {
        name: {
            "samples_per_second": round(median(rates[name]), 1),
            "spread": round((max(rates[name]) - min(rates[name])) / median(rates[name]), 3),
            "latency_ms": {
                "p50": round(float(np.percentile(delays[name], 50)) * 1e3, 3),
                "p95": round(float(np.percentile(delays[name], 95)) * 1e3, 3),
            },
        }
        for name in predictors
    }


def _sample(contents: Sequence[Any], batch_size: int) -> list[Any]:
    """What is timed: evenly spaced where there is much, repeated where there is little."""
    chosen = list(contents[:: max(1, len(contents) // MOST_ROWS)][:MOST_ROWS])
    return chosen * -(-LEAST_BATCHES * batch_size // len(chosen))


def reset_peak_memory() -> None:
    """Let the peak be counted anew (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes() -> int:
    """Peak resident memory of this process, libraries included, since the last reset (where the system can reset)."""
    import resource

    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
