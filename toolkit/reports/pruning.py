"""Figures of what parts of a model cost when they are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas, curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.styled
def trade(found: Sequence[Mapping[str, Any]], accuracy: float, names: Mapping[str, str]) -> Figure:
    """Accuracy over speed-up, a line a part, each from the model that was not cut.

    Args:
        found: `{"part", "amount", "accuracy", "speedup"}`. accuracy: of the whole model. names: of the parts.
    """
    figure, axes = canvas.new()
    legend = []
    parts = list(dict.fromkeys(m["part"] for m in found))
    for i, part in enumerate(parts):
        dots = [(1.0, accuracy), *((m["speedup"], m["accuracy"]) for m in found if m["part"] == part)]
        style = {"color": canvas.color(i), "marker": canvas.MARKERS[i], "markersize": 5, "linewidth": 1.8}
        axes.plot([x for x, _ in dots], [y for _, y in dots], **style, clip_on=False)
        legend.append({"name": names[part], "linestyle": "-"} | style)
    canvas.values_axis(axes.yaxis)
    canvas.values_axis(axes.xaxis)
    canvas.finish(figure, axes, xlabel="times the samples a second", ylabel="accuracy", legend=legend)
    return figure


def by_layer(found: Sequence[Mapping[str, Any]], loss: float, names: Mapping[str, str]) -> Figure:
    """Loss by layer, a line for each part and amount, and one for the model that was not cut.

    Args:
        found: `{"part", "layer", "amount", "loss"}`. loss: of the model that was not cut.
    """
    layers = sorted({m["layer"] for m in found})
    series: dict[str, list[float]] = {"nothing cut": [loss] * len(layers)}
    for m in found:
        name = f"{names[m['part']]} {m['amount']:.0%}" if m["part"] != "layers" else "the whole layer"
        series.setdefault(name, [float("nan")] * len(layers))[layers.index(m["layer"])] = m["loss"]
    return curves.line(layers, series, xlabel="layer", ylabel="loss")
