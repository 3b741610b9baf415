"""`evaluate`, efficiency: speed, size and memory, measured on this machine."""

from __future__ import annotations

from typing import Any

from toolkit.commands._evaluating import Subject
from toolkit.step import Job


def measure(job: Job, subject: Subject) -> dict[str, Any]:
    """The figures under `efficiency`; before any other part runs, since memory's peak is inference's own till then."""
    from toolkit.artifacts import model as models
    from toolkit.inference import timing

    predictors, contents = {"model": subject.predictor}, subject.contents
    speed = timing.measure(predictors, contents)["model"]
    peak = timing.peak_memory_bytes()
    rates = {timing.BATCH_SIZE: speed["samples_per_second"]}
    if job.config.batch_size != timing.BATCH_SIZE:
        other = timing.measure(predictors, contents, job.config.batch_size)["model"]
        rates[job.config.batch_size] = other["samples_per_second"]
    assert subject.given.path is not None
    return {
        "parameters": models.parameters(subject.given.path),
        "size_bytes": models.inference_bytes(subject.given.path),
        **speed,
        "by_batch_size": {str(size): rate for size, rate in rates.items()},
        "peak_memory_bytes": peak,
    }


def lines(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For the terminal."""
    latency = figures["latency_ms"]
    return [
        ("samples a second", f"{figures['samples_per_second']:,.0f}", "batch 32"),
        ("latency p50 / p95", f"{latency['p50']:.2f} / {latency['p95']:.2f} ms", "batch 1"),
        ("bytes", f"{figures['size_bytes']:,}", ""),
    ]
