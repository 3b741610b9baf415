"""Lines and points over an axis of numbers. Values may be NaN (or infinite): they are left out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas
from toolkit.reports.numbers import finite, zero

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.styled
def line(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
    log_y: bool = False,
    band: tuple[float, float] | None = None,
    band_name: str = "",
) -> Figure:
    """Lines over a common x.

    Args:
        x: n places. On a logarithmic axis those that are not above zero are left out.
        series: name -> n values in one unit; the line passes over NaN (a loss that is measured now and then).
        band: the values that are as they should be, shaded, under the name `band_name`.
    """
    places = [finite(v) for v in x]
    if log_x:
        places = [v if v > 0 else math.nan for v in places]
    drawn = {name: [finite(v) for v in values] for name, values in series.items()}
    if log_y:
        drawn = {name: [v if v > 0 else math.nan for v in values] for name, values in drawn.items()}
    known = [p for values in drawn.values() for p, v in zip(places, values, strict=True) if not math.isnan(p + v)]
    if not known:
        return canvas.empty()
    figure, axes = canvas.new()
    styles = [_line_style(i, sum(map(math.isfinite, values)) <= 25) for i, values in enumerate(drawn.values())]
    for values, style in zip(drawn.values(), styles, strict=True):
        there = [(place, value) for place, value in zip(places, values, strict=True) if not math.isnan(place + value)]
        axes.plot([place for place, _ in there], [value for _, value in there], **style, clip_on=False)
    _number_axes(axes, known, log_x)
    legend = [{"name": name} | style for name, style in zip(drawn, styles, strict=True)] if len(drawn) > 1 else []
    if band:
        shade = {"color": canvas.color(7), "alpha": 0.16, "linewidth": 0}
        axes.axhspan(*band, **shade)
        legend.append({"name": band_name, "marker": "s", "markersize": 8, "markeredgewidth": 0} | shade)
    if log_y:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        canvas.values_axis(axes.yaxis, log=True, low=low, high=high)
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, legend=legend)
    return figure


def _line_style(i: int, marked: bool) -> dict[str, Any]:
    dash = ("-", "--", "-.", ":")[i // len(canvas.SERIES) % 4]
    style = {"color": canvas.color(i), "linewidth": 1.8, "linestyle": dash, "solid_capstyle": "round"}
    return style | ({"marker": canvas.MARKERS[i % len(canvas.MARKERS)], "markersize": 4.5} if marked else {})


@canvas.styled
def history(
    values: Sequence[float],
    best: Sequence[float],
    *,
    xlabel: str = "trial",
    ylabel: str = "value",
    words: tuple[str, str, str] = ("trial", "best so far", "failed or pruned"),
) -> Figure:
    """A search's trials in order (from 0), and the best value up to each.

    Args:
        values: n values in the unit of the objective; NaN for a trial that failed or was pruned (a cross at the foot).
        best: n values, best so far; NaN before the first.
        words: what the dots, the line and the crosses are called.
    """
    tried, line_values = [finite(v) for v in values], [finite(v) for v in best]
    known = [v for v in [*tried, *line_values] if not math.isnan(v)]
    if not known:
        return canvas.empty()
    figure, axes = canvas.new()
    dot = {
        "marker": "o",
        "markersize": 5,
        "color": canvas.color(0),
        "alpha": 0.65,
        "linestyle": "none",
        "markeredgewidth": 0,
    }
    step = {"color": canvas.color(1), "linewidth": 2.0, "linestyle": "-"}
    cross = {"marker": "x", "markersize": 4.5, "color": canvas.MUTED, "linestyle": "none"}
    axes.plot(range(len(tried)), tried, **dot)
    ends = [*range(len(line_values)), len(line_values) - 0.5]  # so that the last step is seen
    axes.step(ends, [*line_values, *line_values[-1:]] or [math.nan], where="post", **step)
    low, high = min(known), max(known)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    axes.set_ylim(low - 1.6 * margin, high + margin)
    failed = [i for i, v in enumerate(tried) if math.isnan(v)]
    axes.plot(failed, [low - margin] * len(failed), **cross)
    axes.set_xlim(-0.5, max(len(tried), len(line_values)) - 0.5)
    canvas.values_axis(axes.yaxis)
    canvas.values_axis(axes.xaxis)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(False, axis="x")
    marks = [dot, step, *([cross] if failed else [])]
    legend = [{"name": word} | mark for word, mark in zip(words, marks, strict=False)]
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, legend=legend)
    return figure


@canvas.styled
def reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    counts: Sequence[float],
    *,
    xlabel: str = "confidence",
    ylabel: str = "accuracy",
    words: tuple[str, str, str] = ("accuracy", "gap", "share of rows"),
) -> Figure:
    """How far the confidence can be believed: accuracy over confidence, a bin a dot; on the dashed line it holds.

    Args:
        confidence: the mean confidence of n bins, 0 to 1.
        accuracy: the accuracy of n bins, 0 to 1; NaN in an empty bin.
        counts: the rows of n bins; shown as bars at the foot, the fullest at a fifth of the height.
        words: what the dots, the lines between dot and diagonal, and the bars are called.
    """
    bins = [(finite(c), finite(a), zero(finite(n))) for c, a, n in zip(confidence, accuracy, counts, strict=True)]
    bins = sorted(b for b in bins if b[2] > 0 and not math.isnan(b[0] + b[1]))
    if not bins:
        return canvas.empty()
    figure, axes = canvas.new()
    fullest = max(n for _, _, n in bins)
    apart = [b[0] - a[0] for a, b in itertools.pairwise(bins)]
    thick = min(0.08, max(0.012, 0.7 * min(apart, default=0.08)))
    for c, a, n in bins:
        axes.bar(c, 0.2 * n / fullest, width=thick, color=canvas.color(6), alpha=0.35, linewidth=0)
        axes.plot([c, c], [c, a], color=canvas.color(1), linewidth=2.2, solid_capstyle="butt")
    axes.plot([0, 1], [0, 1], color=canvas.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    dot = {"marker": "o", "markersize": 6, "color": canvas.color(0), "linestyle": "none"}
    axes.plot([c for c, _, _ in bins], [a for _, a, _ in bins], **dot, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    canvas.values_axis(axes.yaxis)
    canvas.values_axis(axes.xaxis)
    legend = [
        {"name": words[0]} | dot,
        {"name": words[1], "color": canvas.color(1), "linewidth": 2.2, "linestyle": "-"},
        {
            "name": words[2],
            "color": canvas.color(6),
            "alpha": 0.35,
            "marker": "s",
            "markersize": 7,
            "markeredgewidth": 0,
        },
    ]
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, legend=legend, height=3.6, plot_width=3.6, right=1.0)
    return figure


def _number_axes(axes: Any, xs: Sequence[float], log_x: bool) -> None:
    if log_x:
        axes.set_xscale("log")
    canvas.values_axis(axes.yaxis)
    canvas.values_axis(axes.xaxis, log=log_x, low=min(xs), high=max(xs))
    axes.grid(False, axis="x")
