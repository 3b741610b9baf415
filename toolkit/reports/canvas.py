"""What all figures share: colours, fonts, margins, the legend, and how a figure is saved.

Margins come from an estimate of the texts' widths, not from the fonts of this machine: the SVG is drawn with the fonts
of the reader's browser, and Chinese names need their room even where no Chinese font is installed.
"""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from toolkit.reports.numbers import aligned, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# Every colour in a figure is one of these; the report maps them to CSS variables: name -> (light, dark).
THEME = {
    "ink": ("#1d1d20", "#e8e6e3"),
    "muted": ("#66666e", "#a3a19d"),
    "rule": ("#dcdce1", "#3a3a3f"),
    "paper": ("#ffffff", "#18181b"),
    "c1": ("#2a66b0", "#7db0ec"),
    "c2": ("#cc5a26", "#f0915f"),
    "c3": ("#178574", "#54c2ae"),
    "c4": ("#8457b3", "#bb9ce6"),
    "c5": ("#a87b08", "#ddb54a"),
    "c6": ("#c04581", "#ee92bd"),
    "c7": ("#5f6b7a", "#a9b4c2"),
    "c8": ("#5b8a1f", "#a0cc62"),
}
INK, MUTED, RULE, PAPER = (THEME[name][0] for name in ("ink", "muted", "rule", "paper"))
SERIES = tuple(light for name, (light, _) in THEME.items() if name.startswith("c"))
MARKERS = "osD^vPX*"
SIZE = 10.0  # of texts, in points
WIDTH = 5.4  # of a figure, in inches
LINE = 0.21  # height of a line of text, in inches
_MOST = 200  # characters of a name that are looked at: more than the width of a figure holds
CJK_FONTS = (  # the best first
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK JP",
    "Arial Unicode MS",
)


def styled(make: Callable[P, R]) -> Callable[P, R]:
    """Draw the figure with our settings, whatever the caller's matplotlib is set to."""

    @functools.wraps(make)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with _settings():
            return make(*args, **kwargs)

    return wrapped


@contextmanager
def _settings() -> Iterator[None]:
    import matplotlib

    ours = {
        "font.family": ["DejaVu Sans"],  # comes with matplotlib
        "font.size": SIZE,
        "text.parse_math": False,  # a class may be called "$cash$"
        "text.color": INK,
        "axes.facecolor": "none",
        "axes.edgecolor": RULE,
        "axes.unicode_minus": True,
        "svg.fonttype": "none",  # the browser's fonts draw the texts
        "svg.hashsalt": "toolkit",
        "svg.id": None,
    }
    with matplotlib.rc_context(ours), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


@functools.cache
def _cjk_fonts() -> tuple[str, ...]:
    """The first installed font that draws Chinese; none where there is none (a PNG shows boxes then)."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    if not known & set(CJK_FONTS):  # matplotlib's list may be older than the font
        stems = (*(name.replace(" ", "").lower() for name in CJK_FONTS), "notosanscjk", "msyh", "wqy")
        for path in sorted(font_manager.findSystemFonts()):
            if Path(path).stem.lower().startswith(stems) and "bold" not in path.lower():
                try:
                    font_manager.fontManager.addfont(path)
                except (OSError, RuntimeError):  # a broken font file is no reason to have no report
                    continue
        known = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in CJK_FONTS if name in known)[:1]


def save_png(figure: Any, path: Path) -> None:
    """Write the figure on white at 150 dots an inch, the same bytes each time."""
    from matplotlib.text import Text

    with _settings():
        figure.draw_without_rendering()  # makes the ticks' labels
        families = [(text, text.get_fontfamily()) for text in figure.findobj(Text)]
        for text, family in families:
            text.set_fontfamily([*family, *_cjk_fonts()])
        figure.savefig(path, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        for text, family in families:
            text.set_fontfamily(family)


def svg(figure: Any) -> str:
    """The figure as matplotlib's SVG, with no background and no date; the fonts of this machine have no part in it."""
    import io

    out = io.StringIO()
    with _settings():
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    return out.getvalue()


def color(i: int) -> str:
    """The colour of the i-th series."""
    return SERIES[i % len(SERIES)]


def width(text: str, size: float = SIZE) -> float:
    """About how wide a line of text is, in inches (on the safe side for every font we meet)."""
    em = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in "WF":
            em += 1.0
        elif unicodedata.combining(char):
            continue
        else:
            em += 0.36 if char in "iljtfrI.,:;'|!()[] \u202f" else 0.88 if char in "mwMW%@" else 0.64
    return em * size / 72


def clipped(text: object, inches: float, size: float = SIZE) -> str:
    """The text in one line, cut with an ellipsis where it is wider than that; without what no XML file may hold."""
    whole = "".join(c for c in " ".join(str(text).split()) if unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    line = whole[:_MOST]
    if line == whole and width(line, size) <= inches:
        return line
    while line and width(line + "…", size) > inches:
        line = line[:-1]
    return line.rstrip() + "…"


def new() -> tuple[Figure, Any]:
    """A figure and its one pair of axes: hairlines, no box; `finish` gives both their size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 3.0))
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    for side in ("left", "top", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=MUTED, linewidth=0.8)
    axes.tick_params(length=0, colors=MUTED, labelsize=SIZE - 0.5, pad=5)
    axes.set_axisbelow(True)
    return figure, axes


def empty() -> Figure:
    """The figure of nothing to show."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1.2))
    figure.text(0.5, 0.5, "no data · 无数据", ha="center", va="center", color=MUTED)
    return figure


def values_axis(axis: Any, *, log: bool = False, low: float = 0.0, high: float = 1.0, form: Any = None) -> None:
    """Number the axis plainly and draw its hairlines; `low` and `high` are its ends where it is logarithmic.

    `form` writes one number; without it the numbers of the axis get the same decimals.
    """
    from matplotlib.ticker import Formatter, LogLocator, MaxNLocator, NullLocator

    class Plain(Formatter):  # type: ignore[misc]
        def __call__(self, value: float, position: int | None = None) -> str:
            return str(form(float(value))) if form else number(float(value))

        def format_ticks(self, values: Iterable[float]) -> list[str]:
            plain = [float(f"{value:.10g}") for value in values]
            return [self(value) for value in plain] if form or log else aligned(plain)

    if log and high > 4 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 200 * low else (1.0,)))
    else:  # a narrow logarithmic axis too, which may hold no such number
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    if log:
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(Plain())
    axis.grid(True, color=RULE, linewidth=0.7)


def finish(
    figure: Any,
    axes: Any,
    *,
    xlabel: str = "",
    ylabel: str = "",
    legend: Iterable[dict[str, Any]] = (),
    height: float = 2.7,
    plot_width: float | None = None,
    right: float = 0.0,
    above: float = 0.0,
    note: str = "",
) -> None:
    """Set figure and axes to their size: the plot's `height` and the room that the texts around it take.

    All in inches. A legend entry is {"name", "color", and what Line2D takes}. The y label stands upright on top, where
    it is read without turning the head. `above` is room for what the axes carry on their top. `note` is a small line at
    the bottom.
    """
    left = max((width(text) for text in _tick_texts(axes.yaxis)), default=0.0) + 0.14
    x_texts = _tick_texts(axes.xaxis)
    right = max(right, width(x_texts[-1]) / 2 + 0.04 if x_texts else 0.0, 0.1)
    total_width = WIDTH if plot_width is None else max(left + plot_width + right, 3.0)
    inner = total_width - left - right if plot_width is None else plot_width
    rows = _legend_rows(list(legend), total_width)
    top = 0.1 + LINE * len(rows) + (0.06 if rows else 0) + ((LINE + 0.08) if ylabel else 0) + above
    bottom = (0.3 if x_texts else 0.08) + (LINE if xlabel else 0) + (LINE if note else 0)
    total = top + height + bottom
    figure.set_size_inches(total_width, total)
    axes.set_position((left / total_width, bottom / total, inner / total_width, height / total))

    def text(x: float, y: float, content: str, **options: Any) -> None:
        figure.text(x / total_width, y / total, content, **{"color": MUTED, "fontsize": SIZE} | options)

    if ylabel:
        text(0.03, bottom + height + above + 0.12, clipped(ylabel, total_width - 0.1))
    if xlabel:
        line = 0.08 + (LINE if note else 0)
        text(left + inner / 2, line, clipped(xlabel, total_width - 0.1), ha="center")
    if note:
        text(0.03, 0.06, clipped(note, total_width - 0.1, SIZE - 1), fontsize=SIZE - 1)
    for i, row in enumerate(rows):
        _draw_legend_row(figure, row, total - 0.12 - LINE * i, total_width, total)


def _tick_texts(axis: Any) -> list[str]:
    low, high = sorted(axis.get_view_interval())
    slack = (high - low) * 1e-9
    places = [place for place in axis.get_majorticklocs() if low - slack <= place <= high + slack]
    return [text for text in axis.get_major_formatter().format_ticks(places) if text] if places else []


def _legend_rows(entries: list[dict[str, Any]], total: float) -> list[list[tuple[float, dict[str, Any]]]]:
    """The entries with their x in inches, broken into rows."""
    rows: list[list[tuple[float, dict[str, Any]]]] = []
    x = 0.0
    for entry in entries:
        named = entry | {"name": clipped(entry["name"], 2.6)}
        wide = 0.26 + width(named["name"]) + 0.2
        if not rows or x + wide - 0.2 > total:
            rows.append([])
            x = 0.03
        rows[-1].append((x, named))
        x += wide
    return rows


def _draw_legend_row(
    figure: Any, row: Sequence[tuple[float, dict[str, Any]]], y: float, total_width: float, total: float
) -> None:
    from matplotlib.lines import Line2D

    for x, entry in row:
        options = {k: v for k, v in entry.items() if k != "name"}
        ends = (x / total_width, (x + 0.18) / total_width)
        middle = sum(ends) / 2
        if options.get("linestyle", "none") != "none":
            line = {k: v for k, v in options.items() if not k.startswith("marker")}
            figure.add_artist(Line2D(ends, (y / total,) * 2, transform=figure.transFigure, **line))
        if options.get("marker"):
            mark = options | {"linestyle": "none"}
            figure.add_artist(Line2D((middle,), (y / total,), transform=figure.transFigure, **mark))
        figure.text((x + 0.26) / total_width, y / total, entry["name"], va="center", color=INK, fontsize=SIZE)
