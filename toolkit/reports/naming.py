"""Names beside the points of a scatter figure, where they cover each other and the points the least."""

from __future__ import annotations

import math
from typing import Any

from toolkit.reports import canvas

MOST_LABELS = 30
Named = tuple[str, float, float]  # and where its point is, in inches
Placed = tuple[Named, float, tuple[float, float]]  # with its cost and its way from the point
Box = tuple[float, float, float, float]  # left, bottom, right, top; inches


def write(
    figure: Any, axes: Any, names: list[str], xs: list[float], ys: list[float], bounds: list[tuple[float, float]]
) -> None:
    """Write each name where it covers the least: beside its point, else further away with a thin line to it."""

    def inches(x: float, y: float) -> tuple[float, float]:
        place = axes.transData.transform((x, y)) / figure.dpi
        return float(place[0]), float(place[1])

    size = canvas.SIZE - 0.5
    at = [inches(x, y) for x, y in zip(xs, ys, strict=True)]
    taken: list[Box] = [(x - 0.06, y - 0.06, x + 0.06, y + 0.06) for x, y in at]
    for x, (low, high) in zip(xs, bounds, strict=True):
        (left, bottom), (_, top) = inches(x, low), inches(x, high)
        taken.append((left - 0.02, bottom, left + 0.02, top))
    box = axes.get_window_extent()
    frame = (box.x0 / figure.dpi, box.y0 / figure.dpi, figure.get_figwidth() - 0.02, box.y1 / figure.dpi)
    named = [(canvas.clipped(name, 2.2, size), x, y) for name, (x, y) in zip(names, at, strict=True)]
    orders = [sorted(named, key=lambda n: (sign * n[axis], n)) for sign in (-1, 1) for axis in (2, 1)]
    tries = [_placed(order, taken, frame, size) for order in orders]
    for (text, x, y), cost, by in min(tries, key=lambda tried: sum(cost for _, cost, _ in tried)):
        if cost < 5 or len(names) <= MOST_LABELS:
            _write_name(figure, text, (x, y), by, size)


def _placed(order: list[Named], around: list[Box], frame: Box, size: float) -> list[Placed]:
    """Each name of the order at the place that is the cheapest after those before it."""
    taken, placed = list(around), []
    for text, x, y in order:
        wide = canvas.width(text, size)
        others = [(a, b) for _, a, b in order if (a, b) != (x, y)]
        options = []
        for away, dx, dy in _places():
            strays = any(math.hypot(x + dx - a, y + dy - b) < math.hypot(dx, dy) for a, b in others)
            cost = _cost(_box(x, y, dx, dy, wide), taken, frame) + away + (4 if strays else 0)
            options.append((cost, dx, dy))
        cost, dx, dy = min(options)
        if cost < 5 or len(order) <= MOST_LABELS:
            taken.append(_box(x, y, dx, dy, wide))
        placed.append(((text, x, y), cost, (dx, dy)))
    return placed


def _places() -> list[tuple[float, float, float]]:
    """(cost, dx, dy) of the places to try, in inches from the point."""
    corners = [(dx, dy) for dx in (0.1, -0.1) for dy in (0.14, -0.14)]
    near = [(0.12, 0.0), (-0.12, 0.0), *corners, (0.0, 0.17), (0.0, -0.17)]
    far = [(dx * k, dy * k) for k in (1, 1.6, 2.3) for dx in (0.2, -0.2) for dy in (0.32, -0.32, 0.16, -0.16)]
    return [(0.001 * i, *place) for i, place in enumerate(near)] + [(0.1 + 0.01 * i, *p) for i, p in enumerate(far)]


def _box(x: float, y: float, dx: float, dy: float, wide: float) -> Box:
    left = x + dx - (0 if dx > 0 else wide if dx < 0 else wide / 2)
    return left, y + dy - 0.075, left + wide, y + dy + 0.075


def _cost(box: Box, taken: list[Box], frame: Box) -> float:
    """The covered area in a hundredth of a square inch; leaving the frame is worse than any cover."""
    covered = 0.0
    for other in taken:
        across = min(box[2], other[2]) - max(box[0], other[0])
        up = min(box[3], other[3]) - max(box[1], other[1])
        covered += 100 * across * up + 1 if across > 0 and up > 0 else 0
    outside = box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]
    return covered + (1000 if outside else 0)


def _write_name(figure: Any, text: str, at: tuple[float, float], by: tuple[float, float], size: float) -> None:
    from matplotlib.lines import Line2D

    (x, y), (dx, dy), (wide, high) = at, by, figure.get_size_inches()
    if math.hypot(dx, dy) > 0.2:
        ends = ([(x + dx * k) / wide for k in (0.25, 0.92)], [(y + dy * k) / high for k in (0.25, 0.92)])
        figure.add_artist(Line2D(*ends, color=canvas.MUTED, linewidth=0.7))
    side = "left" if dx > 0 else "right" if dx < 0 else "center"
    place = ((x + dx) / wide, (y + dy) / high)
    figure.text(*place, text, ha=side, va="center_baseline", fontsize=size, color=canvas.INK)
