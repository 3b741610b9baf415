"""What the living rows look like, in figures: before and after cleaning."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from toolkit.data import content, numbers
from toolkit.data.clean.rows import Rows
from toolkit.data.labels import SEPARATOR
from toolkit.data.text import language

FEW = 50  # values of `source` that are told apart


def profile(rows: Rows) -> dict[str, Any]:
    """Rows a split, class counts, gaps, exact duplicates, and what the kind of content has (lengths, languages …)."""
    living = rows.living()
    out: dict[str, Any] = {
        "rows": len(living),
        "splits": {name: int((rows.where[living] == k).sum()) for k, name in enumerate(rows.names)},
        "labels": _labels(rows),
        "missing": _missing(rows),
        "exact_duplicates": sum(len(group) - 1 for group in content.groups(rows.keys(), living)),
    }
    if "source" in rows.table.column_names:
        found = Counter(str(v) for _, values in rows.blocks("source") for v in values)
        out["sources"] = dict(sorted(found.most_common(FEW)))
    if rows.kind == "text":
        out["languages"] = _languages(rows)
        out["length"] = summary(lengths(rows))
    elif rows.kind == "series":
        out["length"] = summary(lengths(rows))
        out["channels"] = summary(np.array([len(v or ()) for _, values in rows.blocks("series") for v in values]))
    elif rows.kind == "image":
        out["numbers"] = {name: summary(values[living]) for name, values in rows.looks().statistics.items()}
    elif rows.kind == "table":
        out["numbers"] = {
            name: summary(rows.floats(name)[living]) for name in numbers.numeric(rows.table, rows.features)
        }
    return out


def lengths(rows: Rows) -> Any:
    """Characters of the living texts, or steps of the living series."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows.table.column(rows.kind).filter(pa.array(rows.alive))
    if rows.kind == "text":
        return pc.fill_null(pc.utf8_length(column), 0).to_numpy()
    return np.array([max((len(channel or ()) for channel in v or ()), default=0) for v in column.to_pylist()])


def summary(values: Any) -> dict[str, float | None]:
    """Least, quartiles, largest and mean of the numbers that are there; None for one beyond the floats."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return dict.fromkeys(("min", "q25", "median", "q75", "max", "mean"))
    with np.errstate(over="ignore", invalid="ignore"):
        points = [*np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist(), float(values.mean())]
    names = ("min", "q25", "median", "q75", "max", "mean")
    return {name: round(v, 6) if np.isfinite(v) else None for name, v in zip(names, points, strict=True)}


def _labels(rows: Rows) -> dict[str, int]:
    found: Counter[str] = Counter()
    for value, count in _counts(rows, "label").items():
        for name in (value or "(missing)").split(SEPARATOR) if rows.several else [value or "(missing)"]:
            found[name] += count
    return dict(sorted(found.items()))


def _counts(rows: Rows, column: str) -> dict[Any, int]:
    import pyarrow as pa

    counted = rows.table.column(column).filter(pa.array(rows.alive)).value_counts()
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}


def _missing(rows: Rows) -> dict[str, float]:
    """The share of gaps in each column that has any."""
    import pyarrow as pa

    from toolkit.data.columns import blank

    alive, out = pa.array(rows.alive), {}
    for name in rows.table.column_names:
        gaps = int(np.count_nonzero(blank(rows.table.column(name).filter(alive)).to_numpy(zero_copy_only=False)))
        if gaps and name != "flags":
            out[name] = round(gaps / max(rows.count(), 1), 6)
    return out


def _languages(rows: Rows) -> dict[str, int]:
    found: Counter[str] = Counter()
    for _, texts in rows.blocks("text"):
        found.update(map(language, (text or "" for text in texts)))
    return dict(sorted(found.items()))
