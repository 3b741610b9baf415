"""Several models in one table, and as dots of what is paid for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit import gates
from toolkit.reports.pareto import pareto

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLD = (  # what it is called, where it stands among a model's figures, in what unit, how it is written
    ("accuracy", "accuracy", 1, "{:.4f}"),
    ("samples a second", "samples_per_second", 1, "{:,.0f}"),
    ("latency p50, ms", "latency_ms.p50", 1, "{:.2f}"),
    ("latency p95, ms", "latency_ms.p95", 1, "{:.2f}"),
    ("start-up, s", "startup_seconds", 1, "{:.2f}"),
    ("peak memory, MB", "peak_memory_bytes", 1e6, "{:,.0f}"),
    ("parameters", "parameters", 1, "{:,.0f}"),
    ("bytes", "size_bytes", 1, "{:,.0f}"),
)


def rows(*models: dict[str, Any]) -> list[list[str]]:
    """A row a figure that all models have: what it is called, then each model's."""
    out = []
    for name, path, unit, form in TOLD:
        values = [found for model in models if (found := gates.figure(model, path)) is not None]
        if len(values) == len(models):
            out.append([name, *(form.format(value / unit) for value in values)])
    return out


def evaluated(metrics: Mapping[str, Any]) -> list[Any]:
    """Of an evaluation: parameters, bytes, samples a second, latency p50 (ms), accuracy with its interval."""
    efficiency = metrics["efficiency"]
    return [
        efficiency["parameters"],
        efficiency["size_bytes"],
        efficiency["samples_per_second"],
        efficiency["latency_ms"]["p50"],
        metrics["quality"]["accuracy"],
    ]


def trade(found: Mapping[str, Mapping[str, Any]], *, xlabel: str, ylabel: str) -> Figure:
    """Accuracy with its interval over samples a second; name -> an evaluation's metrics."""
    dots: dict[str, tuple[float, tuple[float, float, float]]] = {}
    for name, metrics in found.items():
        *_, rate, _, accuracy = evaluated(metrics)
        dots[name] = (rate, (accuracy["value"], accuracy["low"], accuracy["high"]))
    return pareto(dots, xlabel=xlabel, ylabel=ylabel)
