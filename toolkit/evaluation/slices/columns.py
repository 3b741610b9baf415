"""Rows divided by the values of a column."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation.slices.family import MIN_ROWS, Condition, slice_of

BINS = 5  # that numbers and times are cut into, of about as many rows each
MOST_VALUES = 50  # of other columns: the most frequent
MISSING, OTHERS = "(missing)", "(others)"


def divide(name: str, values: Any) -> tuple[Any, list[Condition]]:
    """Number of each row's condition (-1: none), and the conditions; fewer than two do not divide the rows.

    Numbers and times of more than `BINS` values are cut at their quantiles; of other columns each value is one, where
    there are many the most frequent.

    Args:
        values: a pandas Series.
    """
    import pandas as pd

    missing = values.isna().to_numpy()
    numbers = _numbers(values)
    if numbers is not None and len(np.unique(numbers[~missing])) > BINS:
        codes, conditions = _bins(name, numbers, missing, pd.api.types.is_numeric_dtype(values.dtype))
    else:
        texts = values.astype(object).where(~missing, None).map(_text).to_numpy()
        codes, conditions = _frequent(name, texts, missing)
    if missing.any():
        codes[missing] = len(conditions)
        conditions = [*conditions, {"column": name, "value": MISSING}]
    return codes, conditions


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray | list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _numbers(values: Any) -> Any:
    """float64, or None where the column is neither of numbers nor of times (ISO 8601)."""
    import pandas as pd

    kind = pd.api.types
    if kind.is_bool_dtype(values.dtype):
        return None
    if kind.is_numeric_dtype(values.dtype):
        return values.to_numpy(float, na_value=np.nan)
    if not kind.is_datetime64_any_dtype(values.dtype):
        known = values.dropna()
        if not len(known) or not all(_looks_like_a_time(v) for v in known.iloc[:100]):
            return None
        values = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
        if values.notna().sum() < len(known):
            return None
    return values.dt.as_unit("s").astype("int64").to_numpy(float)


def _looks_like_a_time(value: Any) -> bool:
    import datetime

    return isinstance(value, datetime.date) or (
        isinstance(value, str) and len(value) >= 10 and value[:4].isdigit() and value[4] == "-" and value[7] == "-"
    )


def _bins(name: str, numbers: Any, missing: Any, plain: bool) -> tuple[Any, list[Condition]]:
    known = numbers[~missing]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
    codes = np.where(missing, -1, np.searchsorted(edges, numbers, side="left"))
    used, codes[~missing] = np.unique(codes[~missing], return_inverse=True)
    conditions = []
    for k in range(len(used)):
        inside = numbers[codes == k]
        low, high = float(inside.min()), float(inside.max())
        ends = [_number(v) if plain else _time(v) for v in (low, high)]
        value = ends[0] if low == high else f"{ends[0]} to {ends[1]}"
        conditions.append({"column": name, "value": value, "low": low, "high": high})
    return codes, conditions


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def _time(value: float) -> str:
    import datetime

    return datetime.datetime.fromtimestamp(value, datetime.UTC).strftime("%Y-%m-%d")


def _frequent(name: str, texts: Any, missing: Any) -> tuple[Any, list[Condition]]:
    found, codes, counts = np.unique(texts[~missing].astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if len(found) > MOST_VALUES:
        order = order[:MOST_VALUES][counts[order[:MOST_VALUES]] >= MIN_ROWS]
    place = np.full(len(found), len(order))
    place[order] = np.arange(len(order))
    out = np.full(len(texts), -1)
    out[~missing] = place[codes]
    conditions = [{"column": name, "value": str(found[i])} for i in order]
    if len(order) < len(found) and len(order):
        return out, [*conditions, {"column": name, "value": OTHERS}]
    out[out >= len(order)] = -1
    return out, conditions


def holds(condition: Condition, values: Any) -> Any:
    """Which rows of a column fulfil a condition that `divide` made, of other rows maybe; boolean (rows,)."""
    missing = values.isna().to_numpy()
    if condition["value"] == MISSING:
        return missing
    if "low" in condition:
        numbers = _numbers(values)
        if numbers is None:
            return np.zeros(len(values), bool)
        return ~missing & (numbers >= condition["low"]) & (numbers <= condition["high"])
    return ~missing & (values.astype(object).map(_text) == condition["value"]).to_numpy()


def table(wrong: Any, codes: Any, conditions: list[Condition]) -> list[dict[str, Any]]:
    """A slice a value: numbers in order, others with the highest error rate first; none of fewer than two values."""
    if len(conditions) < 2:
        return []
    slices = [slice_of(c["column"], c["value"], wrong, codes == i) for i, c in enumerate(conditions)]
    if any("low" in c for c in conditions):
        return slices
    return sorted(slices, key=lambda s: -(s["error_rate"]["value"] or 0))
