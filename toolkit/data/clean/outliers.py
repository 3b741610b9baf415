"""Outliers: values far from the others in numeric columns, text lengths, image statistics or the course of series.

Bounds are fitted on train (`rows.fit`) and hold for all rows. By 3 sigma or by the median absolute deviation they are
fitted again without the outliers until there are none, so that cleaning the cleaned finds nothing; what is outside
too often to be an outlier stays (`numbers.clipped`). The isolation forest (Liu, Ting and Zhou, 2008) calls some of any
data unusual, of the cleaned too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import numbers
from toolkit.data.clean.rows import Rows
from toolkit.errors import ToolkitError

BOUNDS = {"sigma": 3.0, "mad": 3.5}  # 3.5: the modified z-score of Iglewicz and Hoaglin, 1993
MANY = 0.05  # of the rows: worth a word
SKEWED = {"characters", "width", "height", "aspect", "sharpness"}  # sizes and ratios: their logarithms are looked at
_BLOCK = 65_536


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    columns = statistics(rows, config)
    method, bound = config.outliers.outliers, config.outliers.outlier_bound
    if method == "off":  # and yet the stage was asked for
        method = "sigma"
    if bound == 0:
        raise ToolkitError("--outlier-bound is 0", "give a bound above 0")
    if not columns or not rows.fit.any():
        console.note("outliers: no column of numbers to look at")
        return {"method": method, "columns": {}, "found": 0}
    if method == "forest":
        details, figures = _by_forest(rows, columns, bound, config.seed)
    else:
        details, figures = _by_bounds(rows, columns, method, bound)
    for row, detail in details.items():
        if config.outliers.outlier_action == "flag":
            rows.flag(row, f"outlier: {detail}".replace(";", ","))  # which parts the flags
        else:
            rows.reject(row, "outlier", detail)
    if len(details) > MANY * rows.count():
        console.note(f"outliers: {len(details):,} rows are more than {MANY:.0%}; --outlier-bound sets another bound")
    return {"method": method, **figures, "found": len(details)}


def statistics(rows: Rows, config: Any) -> dict[str, Any]:
    """What is looked at: name -> float64 array over all rows, NaN where unknown; of `SKEWED` ones log(1 + x)."""
    import pyarrow.compute as pc

    if rows.kind == "text":
        lengths = pc.utf8_length(rows.table.column("text")).cast("float64").to_numpy(zero_copy_only=False)
        return {"characters": np.log1p(lengths)}
    if rows.kind == "image":
        seen = {name: values for name, values in rows.looks().statistics.items() if name != "bytes"}
        return {name: np.log1p(values) if name in SKEWED else values for name, values in seen.items()}
    if rows.kind == "series":
        return numbers.series_statistics(rows.table.column("series"))
    return {name: rows.floats(name) for name in numbers.numeric(rows.table, rows.features)}


def _plain(name: str, value: float) -> float:
    return math.expm1(value) if name in SKEWED else float(value)


def _shown(name: str, value: float) -> str:
    number = numbers.shown(_plain(name, value))
    return f"{number} {name}" if name == "characters" else f"{name} {number}"


def _by_bounds(rows: Rows, columns: dict[str, Any], method: str, bound: float | None) -> tuple[dict[int, str], Any]:
    """The rows outside: those of train that any round found, of the other splits those outside in the last one."""
    values = list(columns.values())
    rounds, crowded = numbers.clipped(values, rows.fit, method, BOUNDS[method] if bound is None else bound)
    details: dict[int, list[str]] = {}
    counts = dict.fromkeys(columns, 0)
    left = rows.alive.copy()
    last = rounds[-1]
    for bounds in (last, *rounds[:-1]):  # the last bounds are told wherever they hold
        open_ = left if bounds is last else left & rows.fit
        for name, v, limits in zip(columns, values, bounds, strict=True):
            for i in np.flatnonzero(open_ & numbers.outside(v, limits)) if limits else ():
                side, limit = ("below", limits[0]) if v[i] < limits[0] else ("above", limits[1])
                told = f"{_shown(name, v[i])} {side} {numbers.shown(_plain(name, limit))}"
                details.setdefault(int(i), []).append(told)
                counts[name] += 1
        left[list(details)] = False
    found: dict[str, dict[str, float]] = {}
    for name, limits, share in zip(columns, last, crowded, strict=True):
        if limits:
            low, high = (float(f"{_plain(name, limit):.6g}") for limit in limits)
            found[name] = {"found": counts[name], "low": low, "high": high}
        elif share or counts[name]:
            found[name] = {"found": counts[name], "too_many": round(share, 4)}
    many = sorted((f for f in found.items() if f[1].get("too_many")), key=lambda f: -f[1]["too_many"])
    if many:
        told = ", ".join(f"{name} ({f['too_many']:.0%})" for name, f in many[:5])
        console.note(f"outliers: too many rows are outside to be outliers, and stay: {told}; see --outlier-bound")
    joined = {i: ", ".join(parts[:3]) for i, parts in sorted(details.items())}
    return joined, {"bound": BOUNDS[method] if bound is None else bound, "rounds": len(rounds), "columns": found}


def _by_forest(rows: Rows, columns: dict[str, Any], share: float | None, seed: int) -> tuple[dict[int, str], Any]:
    """The rows that the forest isolates early: by its own bound, or the `share` of train that it isolates earliest."""
    import pyarrow.compute as pc
    from sklearn.ensemble import IsolationForest

    if share is not None and not 0 < share <= 0.5:
        raise ToolkitError(
            f"--outlier-bound {share:g} is no share of outliers",
            "with --outliers forest it is the share of the rows to call unusual, above 0 and up to 0.5",
        )
    order = pc.sort_indices(rows.table.column("id")).to_numpy()  # so that the order of the rows plays no part
    order = order[rows.alive[order]]
    of_train = rows.fit[order]
    matrix, names = [], []
    for name, values in columns.items():
        known = values[rows.fit & np.isfinite(values)]
        if len(np.unique(known)) >= numbers.LEAST_DISTINCT:
            low, middle, high = np.percentile(known, (25, 50, 75))
            scaled = (values[order] - middle) / ((high - low) or float(known.std()))
            matrix.append(np.where(np.isfinite(scaled), scaled, 0.0))
            names.append(name)
    if not names:
        return {}, {"columns": {}}
    data = np.column_stack(matrix)
    forest = IsolationForest(random_state=seed).fit(data[of_train])
    blocks = console.track(range(0, len(data), _BLOCK), "isolation forest")
    scores = np.concatenate([-forest.score_samples(data[start : start + _BLOCK]) for start in blocks])
    limit = -float(forest.offset_) if share is None else float(np.quantile(scores[of_train], 1 - share))
    details = {}
    for k in np.flatnonzero(scores > limit):
        row, widest = int(order[k]), int(np.argmax(np.abs(data[k])))
        value = _shown(names[widest], columns[names[widest]][row])
        details[row] = f"score {scores[k]:.3f} above {limit:.3f}, farthest out: {value}"
    return dict(sorted(details.items())), {"bound": round(limit, 4), "columns": {name: {} for name in names}}
