"""What is paid for what: models as dots over cost or speed, and those that no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas
from toolkit.reports.numbers import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = 1.8  # inches that a model's name may take


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Numbers of the points that no other reaches in both (the greater the better), by their first coordinate."""
    order = sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1]))
    best, found = -math.inf, []
    for i in order:
        if points[i][1] > best:
            best = points[i][1]
            found.append(i)
    return found[::-1]


@canvas.styled
def pareto(models: Mapping[str, tuple[float, tuple[float, float, float]]], *, xlabel: str, ylabel: str = "") -> Figure:
    """Dots with their intervals over a logarithmic x, and the Pareto front as steps.

    Args:
        models: name -> (x, greater than 0 and the greater the better, (y, low, high), the greater the better); one
            that is not finite is left out.
    """
    known = {
        name: (x, ends)
        for name, (x, ends) in models.items()
        if x > 0 and not any(map(math.isnan, map(finite, [x, *ends])))
    }
    if not known:
        return canvas.empty()
    figure, axes = canvas.new()
    points = [(x, y) for x, (y, _, _) in known.values()]
    best = front(points)
    axes.step(*zip(*[points[i] for i in best], strict=True), where="pre", color=canvas.MUTED, linewidth=1.2)
    for i, (name, (x, (y, low, high))) in enumerate(known.items()):
        shade: dict[str, Any] = {"color": canvas.color(0 if i in best else 6)}
        axes.plot([x, x], [low, high], linewidth=1.4, alpha=0.5, **shade)
        axes.plot(x, y, marker="o", markersize=7, linestyle="none", **shade)
        axes.annotate(
            canvas.clipped(name, NAME), (x, y), (6, 6), textcoords="offset points",
            fontsize=canvas.SIZE - 0.5, color=canvas.INK,
        )  # fmt: skip
    xs, ends = [x for x, _ in known.values()], [end for _, triple in known.values() for end in triple]
    margin = (max(ends) - min(ends)) * 0.1 or 0.01
    axes.set_xscale("log")
    axes.set_xlim(min(xs) / 1.3, max(xs) * 1.3)
    axes.set_ylim(min(ends) - margin, max(ends) + margin)
    canvas.values_axis(axes.yaxis)
    canvas.values_axis(axes.xaxis, log=True, low=min(xs), high=max(xs))
    axes.grid(False, axis="x")
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, height=3.2, right=0.9)
    return figure
