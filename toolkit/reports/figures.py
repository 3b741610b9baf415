"""Bars, histograms and matrices of counts: plain lists in, a matplotlib `Figure` out.

Numbers may be NaN (or infinite): they are left out, and where nothing is left the figure says so. Names of classes and
series are shown as they are, cut where they are longer than their room. The few words that a figure brings itself are
keyword arguments, so that a Chinese report says them in Chinese.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas
from toolkit.reports.numbers import finite, number, percent, zero

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL = 1.9  # inches that the name of a bar may take
NAME = 1.5  # and of a line or column of a matrix
MOST_BARS = 60
MOST_CLASSES = 20


@canvas.styled
def bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str = "",
    ylabel: str = "",
    horizontal: bool = False,
) -> Figure:
    """Bars side by side: one group a label, one bar of it a series.

    Args:
        labels: n names, top to bottom or left to right as given (beyond 60 the rest is counted, not shown).
        series: name -> n values in any unit, negative ones too.
        xlabel: what stands under the figure; ylabel: what stands over it.
        horizontal: names to the left. Names that do not fit side by side are put there anyway (the axes' labels swap).
    """
    known = {name: [finite(v) for v in values] for name, values in series.items()}
    if any(len(values) != len(labels) for values in known.values()):
        raise ValueError("every series needs one value a label")
    if all(math.isnan(v) for values in known.values() for v in values):
        return canvas.empty()
    names = [canvas.clipped(label, LABEL) for label in labels[:MOST_BARS]]
    shown = {name: values[:MOST_BARS] for name, values in known.items()}
    fits = max(canvas.width(name) for name in names) * len(names) + 0.12 * len(names) < canvas.WIDTH - 0.7
    if not horizontal and not (fits and len(names) <= 30):
        horizontal, xlabel, ylabel = True, ylabel, xlabel
    figure, axes = canvas.new()
    note = f"+ {number(len(labels) - MOST_BARS)} …" if len(labels) > MOST_BARS else ""
    (_bars_across if horizontal else _bars_upright)(axes, names, shown)
    height = len(names) * max(0.27, 0.19 * len(shown) + 0.1) if horizontal else 2.5
    canvas.finish(
        figure, axes, xlabel=xlabel, ylabel=ylabel, legend=_squares(shown), height=height, note=note, right=0.15
    )
    return figure


def _bars_across(axes: Any, names: list[str], series: dict[str, list[float]]) -> None:
    places, thick = range(len(names)), 0.76 / len(series)
    for i, values in enumerate(series.values()):
        at = [place - 0.38 + thick * (i + 0.5) for place in places]
        axes.barh(at, [zero(v) for v in values], height=thick * 0.94, color=canvas.color(i))
        for y, value in zip(at, values, strict=True):
            side = "right" if value < 0 else "left"
            _beside(axes, number(value), (zero(value), y), (-4 if value < 0 else 4, 0), ha=side, va="center_baseline")
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", colors=canvas.INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    low, high = _ends(series)
    room = max(canvas.width(number(v), canvas.SIZE - 1) for values in series.values() for v in values) + 0.08
    share = (high - low) * room / (canvas.WIDTH - 0.4 - max(canvas.width(name) for name in names) - 2 * room)
    axes.set_xlim(low - (share if low < 0 else 0), high + (share if high > 0 else 0))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=canvas.MUTED, linewidth=0.8)


def _bars_upright(axes: Any, names: list[str], series: dict[str, list[float]]) -> None:
    places, thick = range(len(names)), 0.72 / len(series)
    low, high = _ends(series)
    room = (canvas.WIDTH - 0.8) / len(names) * thick
    told = max(canvas.width(number(v), canvas.SIZE - 1) for values in series.values() for v in values) < room
    for i, values in enumerate(series.values()):
        at = [place - 0.36 + thick * (i + 0.5) for place in places]
        axes.bar(at, [zero(v) for v in values], width=thick * 0.94, color=canvas.color(i))
        for x, value in zip(at, values, strict=True) if told else ():
            side = "top" if value < 0 else "baseline"
            _beside(axes, number(value), (x, zero(value)), (0, -4 if value < 0 else 4), ha="center", va=side)
    axes.set_xticks(places, names)
    axes.tick_params(axis="x", colors=canvas.INK)
    axes.set_xlim(-0.6, len(names) - 0.4)
    more = (high - low) * (0.09 if told else 0.03)
    axes.set_ylim(low - (more if low < 0 else 0), high + (more if high > 0 else 0))
    if told:
        axes.set_yticks([])
    else:
        canvas.values_axis(axes.yaxis)
    axes.spines["bottom"].set_visible(False)
    axes.axhline(0, color=canvas.MUTED, linewidth=0.8)


def _beside(axes: Any, text: str, at: tuple[float, float], offset: tuple[float, float], **options: Any) -> None:
    """A text in ink, `offset` points away from a place in the data."""
    style = {"fontsize": canvas.SIZE - 1, "color": canvas.INK} | options
    axes.annotate(text, at, offset, textcoords="offset points", annotation_clip=False, **style)


@canvas.styled
def histogram(values_by_name: Mapping[str, Sequence[float]], *, xlabel: str, ylabel: str = "") -> Figure:
    """How values are distributed: one name as counts, several as each one's share over the same bins.

    Args:
        values_by_name: name -> values in any one unit, in any number. A long tail is gathered in the last bin, whose
            label says so.
    """
    import numpy as np

    groups = {name: _finite_array(values) for name, values in values_by_name.items()}
    filled = [values for values in groups.values() if len(values)]
    if not filled:
        return canvas.empty()
    everything = np.concatenate(filled)
    highest, tail = float(everything.max()), float(np.quantile(everything, 0.995))
    cut = highest > tail + 0.6 * (tail - float(everything.min())) > tail
    edges = _bin_edges(everything[everything <= tail] if cut else everything)
    figure, axes = canvas.new()
    several = len(groups) > 1
    for i, values in enumerate(groups.values()):
        counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
        heights = counts / max(len(values), 1) if several else counts
        axes.stairs(heights, edges, fill=True, color=canvas.color(i), alpha=0.28 if several else 0.85, linewidth=0)
        if several:
            axes.stairs(heights, edges, color=canvas.color(i), linewidth=1.6)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    canvas.values_axis(axes.yaxis, form=percent if several else number)
    canvas.values_axis(axes.xaxis)
    axes.grid(False, axis="x")
    whole = np.array_equal(everything, np.round(everything))
    last = number(math.floor(edges[-1]) if whole else float(edges[-1]))
    note = f"> {last}: {number(int((everything > edges[-1]).sum()))}" if cut else ""
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, legend=_squares(groups), height=2.4, note=note)
    return figure


def _bin_edges(values: Any) -> Any:
    """At most 40 bins; whole numbers get bins of whole width, so that no bin is empty by rounding."""
    import numpy as np

    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    bins = min(40, max(5, math.ceil(2 * len(values) ** (1 / 3))))
    if np.array_equal(values, np.round(values)):
        step = max(1, math.ceil((high - low + 1) / bins))
        return np.arange(low - 0.5, high + step, step)
    return np.linspace(low, high, bins + 1)


@canvas.styled
def confusion(
    matrix: Sequence[Sequence[float]],
    names: Sequence[str],
    *,
    words: tuple[str, str, str] = ("label", "predicted", "most confused classes"),
) -> Figure:
    """Counts in their cells, shaded by the share of their row: hits evenly, errors (another colour) by its root.

    Args:
        matrix: n x n counts of rows; line = true class, column = predicted class.
        names: n class names. Beyond 20 classes the 20 with the most errors (made and received) are shown.
        words: what the lines are, what the columns are, and what the classes shown are where not all are.
    """
    import numpy as np

    counts = np.nan_to_num(np.asarray(matrix, dtype=float).reshape(len(names), len(names)))
    if not len(names):
        return canvas.empty()
    totals = counts.sum(axis=1)
    errors = totals + counts.sum(axis=0) - 2 * counts.diagonal()
    chosen = np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])
    share = np.divide(counts, totals[:, None], out=np.zeros_like(counts), where=totals[:, None] > 0)
    counts, share, labels = counts[np.ix_(chosen, chosen)], share[np.ix_(chosen, chosen)], [names[i] for i in chosen]
    n = len(labels)
    side = 0.62 if n <= 6 else 0.48 if n <= 12 else 0.38
    small = canvas.SIZE if n <= 12 else canvas.SIZE - 2
    figure, axes = canvas.new()
    for (i, j), value in np.ndenumerate(counts):
        _confusion_cell(axes, i, j, float(value), float(share[i, j]), small)
    widest = max(canvas.width(canvas.clipped(name, NAME, small), small) for name in labels) + 0.12
    across = widest if side < widest < 4.6 / n else side  # wider cells where that keeps the names upright
    above, right = _confusion_names(axes, labels, across, small)
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    axes.spines["bottom"].set_visible(False)
    note = f"{words[2]}: {n} / {len(names)}" if n < len(names) else ""
    lines = f"{words[0]} ↓   {words[1]} →"
    size: dict[str, Any] = {"height": n * side, "plot_width": n * across}
    canvas.finish(figure, axes, ylabel=lines, note=note, **size, above=above, right=right)
    return figure


def _confusion_cell(axes: Any, i: int, j: int, value: float, share: float, size: float) -> None:
    from matplotlib.patches import Rectangle

    shade = canvas.color(0 if i == j else 1)
    strength = 0.06 + 0.94 * (share if i == j else math.sqrt(share)) if value else 0.0  # errors are few: show them
    color, alpha = (shade, strength) if value else (canvas.RULE, 0.3)
    axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, linewidth=0, facecolor=color, alpha=alpha))
    text = f"{value / 1000:.3g}k" if value >= 10000 else number(value)
    ink = canvas.PAPER if strength > 0.55 else canvas.INK if value else canvas.MUTED
    axes.text(j, i, text if value or i == j else "", ha="center", va="center_baseline", fontsize=size, color=ink)


def _confusion_names(axes: Any, names: list[str], side: float, size: float) -> tuple[float, float]:
    """Write the class names to the left and on top; returns the room they take on top and to the right, in inches."""
    short = [canvas.clipped(name, NAME, size) for name in names]
    widest = max(canvas.width(name, size) for name in short)
    upright = widest <= side - 0.06
    for j, name in enumerate(short):
        turned = {"rotation": 0 if upright else 45, "rotation_mode": "anchor", "ha": "center" if upright else "left"}
        _beside(axes, name, (j, -0.5), (0, 5), fontsize=size, va="baseline", **turned)
    axes.set_yticks(range(len(names)), short, fontsize=size)
    axes.tick_params(axis="y", colors=canvas.INK)
    axes.set_xticks([])
    return (0.22, 0.1) if upright else (widest * 0.71 + 0.2, max(0.1, widest * 0.71 - side / 2 + 0.1))


def _squares(names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The legend of filled shapes; one series needs none."""
    marks = [{"name": name, "color": canvas.color(i), "marker": "s", "markersize": 7} for i, name in enumerate(names)]
    return marks if len(marks) > 1 else []


def _finite_array(values: Sequence[float]) -> Any:
    import numpy as np

    array = np.asarray(list(values), dtype=float)
    return array[np.isfinite(array)]


def _ends(series: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """The lowest and highest value, zero always between them."""
    known = [v for values in series.values() for v in values if not math.isnan(v)]
    low, high = min(0.0, *known), max(0.0, *known)
    return (low, high) if low < high else (0.0, 1.0)
