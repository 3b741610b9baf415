"""The figure of a search's trials over all their options at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas
from toolkit.reports.numbers import is_number, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 400
APART, HEIGHT = 1.16, 3.1  # inches between two columns, and of a column
DECADES = 8  # a column whose largest number is this many times its smallest is drawn by its logarithm
BESIDE = 1.0  # inches that the texts beside a column may take
CLEAR = 0.06  # of a column's height, which a number needs for itself
NAME_SIZE = canvas.SIZE - 1


@canvas.styled
def parallel(
    columns: Mapping[str, Sequence[Any]],
    best: Sequence[bool],
    stopped: Sequence[bool],
    *,
    words: tuple[str, str, str] = ("the best tenth", "other trials", "stopped early"),
) -> Figure:
    """Parallel coordinates (Inselberg, 1985): a line a trial, a column an option; what the best share is seen at once.

    Args:
        columns: option or figure -> n values, numbers or texts; None where a trial has none (its line ends there).
        best: n flags: the trials to stand out. stopped: n flags: those whose figure is not their last.
        words: what the three kinds of lines are called.
    """
    if not columns or not best:
        return canvas.empty()
    chosen = [i for i, found in enumerate(best) if found]
    others = [i for i, found in enumerate(best) if not found][: MOST_LINES - len(chosen)]
    scales = [_scale(values) for values in columns.values()]
    figure, axes = canvas.new()
    styles = [
        {"color": canvas.color(1), "linewidth": 2.0, "alpha": 0.95},
        {"color": canvas.color(0), "linewidth": 1.1, "alpha": 0.45},
        {"color": canvas.MUTED, "linewidth": 0.9, "alpha": 0.45},
    ]
    for i in [*others, *chosen]:  # the best on top
        heights = [place(values[i]) for values, (place, _) in zip(columns.values(), scales, strict=True)]
        axes.plot(range(len(heights)), heights, **styles[0 if best[i] else 2 if stopped[i] else 1], clip_on=False)
    for x, (_, ticks) in enumerate(scales):
        axes.axvline(x, color=canvas.MUTED, linewidth=0.9)
        for height, text in ticks:
            _beside(axes, x, height, text)
    axes.set(xlim=(-0.04, len(columns) - 1 + 0.04), ylim=(-0.03, 1.03))
    axes.set_yticks([])
    names = [canvas.clipped(name, APART - 0.02, NAME_SIZE) for name in columns]
    axes.set_xticks(range(len(columns)), names)
    axes.tick_params(axis="x", colors=canvas.INK, pad=8, labelsize=NAME_SIZE)
    axes.spines["bottom"].set_visible(False)
    shown = [any(best), not all(b or s for b, s in zip(best, stopped, strict=True)), any(stopped)]
    legend = [{"name": w, "linestyle": "-"} | s for w, s, there in zip(words, styles, shown, strict=True) if there]
    width = max(APART * (len(columns) - 1), 1.0)
    canvas.finish(figure, axes, legend=legend, height=HEIGHT, plot_width=width, right=BESIDE)
    return figure


def _beside(axes: Any, x: float, height: float, text: str) -> None:
    ground = {"facecolor": canvas.PAPER, "alpha": 0.75, "linewidth": 0, "pad": 0.8}  # so that it is read across lines
    style = {"fontsize": canvas.SIZE - 1, "color": canvas.INK, "va": "center_baseline", "bbox": ground, "zorder": 5}
    axes.annotate(
        canvas.clipped(text, BESIDE), (x, height), (4, 0), textcoords="offset points", annotation_clip=False, **style
    )


def _scale(values: Sequence[Any]) -> tuple[Any, list[tuple[float, str]]]:
    """How high a value of a column stands (0 to 1; NaN: none), and what is written beside the column."""
    numeric = all(is_number(v) for v in values if v is not None)
    known = list(dict.fromkeys(v for v in values if v is not None and not (is_number(v) and not math.isfinite(v))))
    if not numeric or not known:
        known = sorted(known, key=str)
        places = {value: i / max(len(known) - 1, 1) for i, value in enumerate(known)}
        return (lambda v: places.get(v, math.nan)), [(places[value], str(value)) for value in known]
    low, high = min(known), max(known)
    log = low > 0 and high >= DECADES * low
    form = math.log if log else float

    def place(value: Any) -> float:
        if value is None or not math.isfinite(value):
            return math.nan
        return (form(value) - form(low)) / ((form(high) - form(low)) or 1.0)

    few = sorted(known) if len(known) <= 5 else None
    middle = math.sqrt(low * high) if log else (low + high) / 2
    ticks = few or [low, middle, high]
    ends = place(ticks[0]), place(ticks[-1])
    written: list[float] = []
    for value in ticks:
        near = [*map(place, written), *ends]
        if place(value) in ends or min(abs(place(value) - other) for other in near) >= CLEAR:
            written.append(value)
    return place, [(place(v), number(v if isinstance(v, int) else float(f"{v:.3g}"))) for v in written]
