"""`evaluate`, efficiency: speed, start-up, memory, size and cost, measured on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from toolkit.commands._evaluating import Subject
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.reports.language import Say

KNOWN = {
    **dict.fromkeys(
        (
            "parameters", "size_bytes", "samples_per_second", "spread", "by_batch_size", "startup_seconds",
            "peak_memory_bytes", "operations", "cost_per_million", "machine",
        )
    ),
    "latency_ms": dict.fromkeys(("p50", "p95", "p99")),
}  # fmt: skip


def measure(job: Job, subject: Subject) -> dict[str, Any]:
    """The figures under `efficiency`.

    `operations` is None for a model that was converted: its graph no longer holds what could be counted.
    """
    from toolkit.artifacts import model as models
    from toolkit.commands import _fresh
    from toolkit.inference import operations, timing

    predictor, contents, path = subject.predictor, subject.contents, subject.given.path
    assert path is not None
    machine = told_of_machine(predictor)
    speed = timing.profile(predictor, contents, (*timing.SIZES, job.config.batch_size))
    counted = operations.per_row(predictor, contents) if models.backend(path) == "torch" else None
    price = job.config.price_per_hour
    return {
        "parameters": models.parameters(path),
        "size_bytes": models.inference_bytes(path),
        **speed,
        **_fresh.measure(path, contents, machine["device"]),
        "operations": counted,
        "cost_per_million": None if price is None else round(price / 3600 / speed["samples_per_second"] * 1e6, 4),
        "machine": machine,
    }


def told_of_machine(predictor: Any) -> dict[str, Any]:
    """What the speed depends on besides the model: processor, its load, threads."""
    import torch

    from toolkit.artifacts import manifest

    kept = ("cpu", "cores", "accelerator")
    return {key: value for key, value in manifest.machine().items() if key in kept} | {
        "device": getattr(predictor.backend, "device", "cpu"),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def lines(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For the terminal."""
    p50, p95, p99 = (figures["latency_ms"][p] for p in ("p50", "p95", "p99"))
    told = [
        ("samples a second", f"{figures['samples_per_second']:,.0f}", "batch 32"),
        ("latency p50 / p95 / p99", f"{p50:.2f} / {p95:.2f} / {p99:.2f} ms", "batch 1"),
        ("start-up", f"{figures['startup_seconds']:.2f} s", "a fresh process"),
        ("peak memory", f"{figures['peak_memory_bytes'] / 1e6:,.0f} MB", "a fresh process"),
        ("bytes", f"{figures['size_bytes']:,}", ""),
    ]
    cost = figures["cost_per_million"]
    return told if cost is None else [*told, ("cost of a million rows", f"{cost:,.2f}", "batch 32")]


def sections(say: Say, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the report: the figures, and the speed by batch size."""
    machine, latency = figures["machine"], figures["latency_ms"]
    by_size = figures["by_batch_size"]
    rows: list[list[Any]] = [
        [say("latency, ms (p50 / p95 / p99)"), f"{latency['p50']:.2f} / {latency['p95']:.2f} / {latency['p99']:.2f}"],
        [say("start-up of a fresh process, s"), figures["startup_seconds"]],
        [say("peak memory of a fresh process, MB"), round(figures["peak_memory_bytes"] / 1e6)],
        [say("size of what inference loads, MB"), round(figures["size_bytes"] / 1e6, 2)],
        [say("parameters"), figures["parameters"]],
        [say("floating-point operations a row, millions"), round((figures["operations"] or 0) / 1e6, 2) or None],
    ]
    if figures["cost_per_million"] is not None:
        rows.append([say("cost of a million rows"), figures["cost_per_million"]])
    text = say(
        "On {cpu}, cores: {cores}, threads of PyTorch: {threads}, {device}; the load was {load} before.",
        **(machine | {"device": machine["accelerator"] or machine["device"]}),
    )
    seen = {"columns": [say("figure"), say("value")], "rows": rows}
    if figures["operations"] is None:
        seen["note"] = say("Operations are not counted in a converted model.")
    speeds = [[int(size), rate] for size, rate in by_size.items()]
    return [
        {
            "title": say("Efficiency"),
            "text": text,
            "tables": [seen, {"columns": [say("rows a batch"), say("samples a second")], "rows": speeds}],
        }
    ]
