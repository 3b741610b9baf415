"""Gates: bounds on figures that are addressed by dotted paths, such as `quality.accuracy=0.9`."""

from __future__ import annotations

import math
from typing import Any

from toolkit.errors import ToolkitError

BARE = "quality.accuracy"  # what a bound without a path means


def parse(given: str) -> tuple[str, float]:
    """`PATH=BOUND`, or a bare number for accuracy.

    Raises:
        ToolkitError: the bound is no finite number.
    """
    path, _, bound = given.rpartition("=")
    try:
        number = float(bound)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ToolkitError(f"the gate '{given}' has no number", "write PATH=BOUND, e.g. quality.accuracy=0.9")
    return path.strip() or BARE, number


def figure(figures: dict[str, Any], path: str) -> float | None:
    """The figure at a dotted path; of one with an interval, its value; None where there is none or it is undefined."""
    node = _at(figures, path.split("."))
    if isinstance(node, dict):
        node = node.get("value")
    return None if isinstance(node, bool) or not isinstance(node, int | float) else float(node)


def _at(node: Any, parts: list[str]) -> Any:
    """What stands under a path; a key may hold dots itself, as the names of classes do."""
    if not parts:
        return node
    keys = [i for i in range(1, len(parts) + 1) if isinstance(node, dict) and ".".join(parts[:i]) in node]
    found = (_at(node[".".join(parts[:i])], parts[i:]) for i in keys)
    return next((value for value in found if value is not None), None)


def judge_bounds(figures: dict[str, Any], least: list[str], most: list[str]) -> list[dict[str, Any]]:
    """One gate for each bound; a figure that is not there meets none."""
    bounds = [(*parse(given), 1.0) for given in least] + [(*parse(given), -1.0) for given in most]
    out = []
    for path, bound, sign in bounds:
        value = figure(figures, path)
        out.append(
            {"name": path, "bound": bound, "value": value, "passed": value is not None and sign * value >= sign * bound}
        )
    return out
