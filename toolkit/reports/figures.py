"""The figures of the reports: plain lists in, a matplotlib `Figure` out.

Numbers may be NaN (or infinite): they are left out, and where nothing is left the figure says so. Names of classes and
series are shown as they are, cut where they are longer than their room. The few words that a figure brings itself are
keyword arguments, so that a Chinese report says them in Chinese.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas, naming
from toolkit.reports.numbers import number, percent

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
    known = {name: [_finite(v) for v in values] for name, values in series.items()}
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
        axes.barh(at, [_zero(v) for v in values], height=thick * 0.94, color=canvas.color(i))
        for y, value in zip(at, values, strict=True):
            side = "right" if value < 0 else "left"
            _beside(axes, number(value), (_zero(value), y), (-4 if value < 0 else 4, 0), ha=side, va="center_baseline")
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
        axes.bar(at, [_zero(v) for v in values], width=thick * 0.94, color=canvas.color(i))
        for x, value in zip(at, values, strict=True) if told else ():
            side = "top" if value < 0 else "baseline"
            _beside(axes, number(value), (x, _zero(value)), (0, -4 if value < 0 else 4), ha="center", va=side)
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


@canvas.styled
def line(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
) -> Figure:
    """Lines over a common x.

    Args:
        x: n places. On a logarithmic axis those that are not above zero are left out.
        series: name -> n values in one unit; the line passes over NaN (a loss that is measured now and then).
    """
    places = [_finite(v) for v in x]
    if log_x:
        places = [v if v > 0 else math.nan for v in places]
    drawn = {name: [_finite(v) for v in values] for name, values in series.items()}
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
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, legend=legend)
    return figure


def _line_style(i: int, marked: bool) -> dict[str, Any]:
    dash = ("-", "--", "-.", ":")[i // len(canvas.SERIES) % 4]
    style = {"color": canvas.color(i), "linewidth": 1.8, "linestyle": dash, "solid_capstyle": "round"}
    return style | ({"marker": canvas.MARKERS[i % len(canvas.MARKERS)], "markersize": 4.5} if marked else {})


@canvas.styled
def scatter(
    points: Sequence[Mapping[str, Any]],
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
) -> Figure:
    """Named points with their intervals, for speed against accuracy.

    Args:
        points: {"label", "x", "y", "low", "high"}; `low` and `high` bound y and may be missing. Up to 30 points carry
            their names (beyond that, those that find room).
    """
    usable = [p for p in points if not math.isnan(_finite(p["x"]) + _finite(p["y"])) and (p["x"] > 0 or not log_x)]
    if not usable:
        return canvas.empty()
    xs, ys = [float(p["x"]) for p in usable], [float(p["y"]) for p in usable]
    figure, axes = canvas.new()
    bounds = [(_end(p, "low"), _end(p, "high")) for p in usable]
    for x, (low, high) in zip(xs, bounds, strict=True):
        axes.plot([x, x], [low, high], color=canvas.color(0), alpha=0.45, linewidth=2.2, solid_capstyle="round")
    axes.plot(xs, ys, "o", color=canvas.color(0), markersize=6.5, markeredgecolor=canvas.PAPER, markeredgewidth=0.8)
    _number_axes(axes, xs, log_x)
    lows, highs = [low for low, _ in bounds], [high for _, high in bounds]
    _pad(axes, xs, [*lows, *highs], log_x)
    canvas.finish(figure, axes, xlabel=xlabel, ylabel=ylabel, height=3.2)
    naming.write(figure, axes, [str(p["label"]) for p in usable], xs, ys, bounds)
    return figure


def _pad(axes: Any, xs: list[float], ys: list[float], log_x: bool) -> None:
    """Room around the points for their names."""
    low, high = min(ys), max(ys)
    margin = (high - low) * 0.12 or abs(high) * 0.05 or 1.0
    axes.set_ylim(low - margin, high + margin)
    if log_x:
        factor = (max(xs) / min(xs)) ** 0.12 if max(xs) > min(xs) else 2.0
        axes.set_xlim(min(xs) / factor, max(xs) * factor)
    else:
        margin = (max(xs) - min(xs)) * 0.12 or abs(max(xs)) * 0.2 or 1.0
        axes.set_xlim(min(xs) - margin, max(xs) + margin)


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
    tried, line_values = [_finite(v) for v in values], [_finite(v) for v in best]
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
    bins = [(_finite(c), _finite(a), _zero(_finite(n))) for c, a, n in zip(confidence, accuracy, counts, strict=True)]
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


def _squares(names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The legend of filled shapes; one series needs none."""
    marks = [{"name": name, "color": canvas.color(i), "marker": "s", "markersize": 7} for i, name in enumerate(names)]
    return marks if len(marks) > 1 else []


def _finite(value: float | None) -> float:
    """The value as a float; NaN where it is missing or infinite."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def _finite_array(values: Sequence[float]) -> Any:
    import numpy as np

    array = np.asarray(list(values), dtype=float)
    return array[np.isfinite(array)]


def _zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _ends(series: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """The lowest and highest value, zero always between them."""
    known = [v for values in series.values() for v in values if not math.isnan(v)]
    low, high = min(0.0, *known), max(0.0, *known)
    return (low, high) if low < high else (0.0, 1.0)


def _end(point: Mapping[str, Any], name: str) -> float:
    value = _finite(point.get(name))
    return float(point["y"]) if math.isnan(value) else value
