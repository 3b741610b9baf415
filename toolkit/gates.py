"""Gates: bounds on figures that are addressed by dotted paths, such as `quality.accuracy=0.9`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.errors import ToolkitError, did_you_mean

BARE = "quality.accuracy"  # what a bound without a path means
INTERVAL = dict.fromkeys(("value", "low", "high"))


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
    return [_gate(path, bound, figure(figures, path), sign) for path, bound, sign in bounds]


def judge_drops(figures: dict[str, Any], baselines: Mapping[str, Any], most: list[str]) -> list[dict[str, Any]]:
    """One gate for each bound and baseline: by how much a figure of the baseline's is greater than ours."""
    out = []
    for path, bound in map(parse, most):
        for name, before in baselines.items():
            pair = figure(before, path), figure(figures, path)
            drop = None if pair[0] is None or pair[1] is None else pair[0] - pair[1]
            out.append(_gate(f"drop of {path} from {name}", bound, drop, -1.0))
    return out


def _gate(name: str, bound: float, value: float | None, sign: float) -> dict[str, Any]:
    passed = value is not None and sign * value >= sign * bound
    return {"name": name, "bound": bound, "value": value, "passed": passed}


def check(given: Iterable[str], known: Mapping[str, Any]) -> None:
    """Each bound is a number, and its path one of those that are known to come.

    Args:
        known: the figures as nested mappings; under a None anything may stand.

    Raises:
        ToolkitError: a bound without a number, or of a figure that there will not be.
    """
    for one in given:
        path, _ = parse(one)
        node: Any = known
        for i, part in enumerate(parts := path.split(".")):
            if not isinstance(node, Mapping):
                break
            if part not in node:
                before = ".".join(parts[:i])
                near = did_you_mean(part, node)
                raise ToolkitError(f"the gate '{one}': {before or 'an evaluation'} has no figure '{part}'", near)
            node = node[part]
        if isinstance(node, Mapping) and "value" not in node:
            raise ToolkitError(f"the gate '{one}': {path} is no figure itself", f"it holds {', '.join(node)}")
