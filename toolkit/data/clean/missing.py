"""Missing values: columns mostly empty go, rows without content or label go, gaps in tables and series are filled.

What is fitted (which columns go, what fills a gap) is fitted on train and goes to `rows.fitted["impute"]`; with
`given["scaler"]` an earlier fit is applied instead. The columns of texts and images pass through unfilled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import columns, impute, numbers, roles
from toolkit.data.clean import annotation
from toolkit.data.clean.rows import Rows
from toolkit.errors import ToolkitError

Fills = dict[str, dict[str, Any]]  # column (or channel) -> {"method", "value", …}


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    stored = (given.get("scaler") or {}).get("impute")
    dropped = _drop(rows, config, stored)
    figures: dict[str, Any] = {"dropped": dropped, "rejected": _reject(rows, config), "imputed": {}, "left": {}}
    if rows.kind not in ("table", "series"):
        return figures
    rows.fitted["impute"] = stored or {"method": config.missing.impute, "columns": {}, "flags": []}
    rows.fitted["impute"].setdefault("dropped", sorted(dropped))
    if "none" in (config.missing.impute, rows.fitted["impute"]["method"]):
        return figures
    if stored:
        console.note("gaps are filled as in the scaler's artifact")
    figures |= (_fill_table if rows.kind == "table" else _fill_series)(rows, config, stored)
    filled: dict[str, dict[str, Any]] = figures["imputed"]
    if filled:
        console.note(f"filled {sum(f['count'] for f in filled.values()):,} gaps in {', '.join(_few(filled))}")
    if figures["left"]:
        console.note(f"gaps left (nothing to fill them with): {', '.join(_few(figures['left']))}")
    return figures


def drop_late(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the columns that lie beyond the bound since other stages removed rows: cleaning again would drop them.

    And the rows that have no content without them.
    """
    if (given.get("scaler") or {}).get("impute"):
        return {}
    dropped = _drop(rows, config, None)
    for fit in rows.fitted.values() if dropped else ():
        fit["columns"] = {name: values for name, values in fit["columns"].items() if name not in dropped}
        if "dropped" in fit:
            fit["dropped"] = sorted({*fit["dropped"], *dropped})
    if not dropped:
        return {}
    rejected = _reject(rows, config)
    return {"dropped_late": dropped} | ({"rejected_late": rejected} if rejected else {})


def _drop(rows: Rows, config: Any, stored: Any) -> dict[str, float]:
    """Drop columns with too large a share of gaps (or those that the stored fit dropped); gives the shares.

    Raises:
        ToolkitError: nothing would be left of a table.
    """
    fit, shares = rows.fit, {}
    for name in rows.features:
        empty = impute.gaps(rows.table.column(name))[fit]
        share = float(empty.mean()) if len(empty) else 0.0
        if name in stored["dropped"] if stored else share > config.missing.max_missing:
            shares[name] = round(share, 4)
    if rows.kind == "table" and not rows.aside and shares and len(shares) == len(rows.features):
        raise ToolkitError(
            f"all columns have too many gaps, more than {config.missing.max_missing:.0%} of the rows",
            "look at the source, or give a larger --max-missing",
        )
    for name in shares:
        rows.drop_column(name)
    if shares:
        told = [f"{name} ({share:.0%})" for name, share in shares.items()]
        console.note(f"dropped columns for their share of gaps: {', '.join(_few(told))}")
    return shares


def _reject(rows: Rows, config: Any) -> dict[str, int]:
    """Rejects rows without content or label, a protected one too: no model takes or is measured by it."""
    absent = {"features" if rows.kind == "table" else rows.kind: _without_content(rows, config)}
    unlabelled = columns.blank(rows.table.column("label")).to_numpy()
    options = config.annotation
    if not (unlabelled.all() and (options.raters or options.votes or annotation.holds_votes(rows))):
        absent["label"] = unlabelled  # else the labels are still to come from the raters
    absent = {part: mask & rows.alive for part, mask in absent.items()}
    for i in np.flatnonzero(np.any(list(absent.values()), axis=0)):
        detail = " and ".join(part for part, mask in absent.items() if mask[i])
        rows.reject(int(i), "missing value", detail, unusable=True)
    return {part: int(mask.sum()) for part, mask in absent.items() if mask.any()}


def _without_content(rows: Rows, config: Any) -> Any:
    if rows.kind == "table":
        empty = [impute.gaps(rows.table.column(name)) for name in rows.features]
        return np.all(empty, axis=0) if empty else np.zeros(len(rows), dtype=bool)
    if rows.kind == "series":
        values, _, row = numbers.flatten(rows.table.column("series"))
        return np.bincount(row[np.isfinite(values)], minlength=len(rows)) == 0
    empty = [columns.blank(rows.table.column(name)).to_numpy() for name in roles.compared(rows.table.column_names)]
    return np.any(empty, axis=0)


def _fill_table(rows: Rows, config: Any, stored: Any) -> dict[str, Any]:
    names = [name for name in rows.features if not numbers.is_identifier(name)]
    empty = {name: impute.gaps(rows.table.column(name)) for name in names}
    fit, how = rows.fit, stored["method"] if stored else config.missing.impute
    fills: Fills = stored["columns"] if stored else {}
    for name in () if stored else names:
        fill = impute.fitted(rows.table.column(name).filter(fit), how)
        if fill:
            fills[name] = fill
    values, deviations = _better(rows, config, fills, empty, how, bool(stored))
    imputed, left = {}, {}
    for name in names:
        at = np.flatnonzero(empty[name] & rows.alive)
        if not len(at):
            continue
        if name not in fills:
            left[name] = len(at)
            continue
        found = values[name][at] if name in values else np.full(len(at), np.nan)
        put = (
            np.where(np.isnan(found), fills[name]["value"], found)
            if name in values
            else [fills[name]["value"]] * len(at)
        )
        rows.replace(name, at, impute.typed(put, rows.table.schema.field(name).type, name))
        imputed[name] = _told(fills[name], how, found, len(at))
        if name in deviations:
            imputed[name]["deviation"] = float(f"{deviations[name][at].mean():.4g}")
    flags = stored["flags"] if stored else list(imputed) if config.missing.missing_flags else []
    _add_flags(rows, {name: empty[name] for name in flags if name in empty})
    rows.fitted["impute"] |= {"columns": fills, "flags": flags}
    return {"imputed": imputed, "left": left}


def _told(fill: dict[str, Any], how: str, found: Any, count: int) -> dict[str, Any]:
    """How a column was filled: with one value, or with several, of which the mean is told."""
    found = found[~np.isnan(found)]
    if not len(found):
        return {"count": count, "method": fill["method"], "value": fill["value"]}
    return {"count": count, "method": how, "value": float(f"{found.mean():.6g}")}


def _better(
    rows: Rows, config: Any, fills: Fills, empty: dict[str, Any], how: str, fixed: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of numeric columns by interpolation or chained equations, and the deviation between draws.

    Both over all rows, NaN where nothing was found: there the column's one value stands in.
    """
    usable = {name for name, fill in fills.items() if isinstance(fill["value"], int | float)}  # not decimals
    names = [name for name in numbers.numeric(rows.table, empty) if name in usable]
    if how == "interpolate":
        times, series = _times(rows), _series(rows)
        return {name: impute.interpolated(_known(rows, name, empty), times, series) for name in names}, {}
    if how != "iterative":
        return {}, {}
    if fixed:
        needed = {other for fill in fills.values() for other in fill.get("coefficients", ())} - set(names)
        if needed:
            raise ToolkitError(
                f"the scaler fills gaps from columns of numbers that the data lack: {', '.join(_few(sorted(needed)))}",
                "give data with the same columns, or clean it without --scaler",
            )
        known = {name: _known(rows, name, empty) for name in names}
        return impute.predicted(known, fills), {}
    return _chained(rows, config, fills, empty, names)


def _chained(
    rows: Rows, config: Any, fills: Fills, empty: dict[str, Any], names: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    import pyarrow.compute as pc

    known = {name: _known(rows, name, empty) for name in names}
    fit = rows.fit
    known = {name: v for name, v in known.items() if len(np.unique(v[fit & ~np.isnan(v)])) > 1}
    gappy = rows.alive & np.any([np.isnan(v) for v in known.values()], axis=0) if len(known) > 1 else np.zeros(0, bool)
    if not gappy.any():
        return {}, {}
    order = pc.sort_indices(rows.table.column("id")).to_numpy()  # so that the draws do not depend on the rows' order
    sample = order[fit[order]]
    if len(sample) > impute.MOST_ROWS:
        sample = np.random.default_rng(config.seed).choice(sample, impute.MOST_ROWS, replace=False)
    at = order[gappy[order]]
    matrix = np.column_stack(list(known.values()))
    filled, deviation, models = impute.chained(
        list(known), matrix[sample], matrix[at], draws=config.missing.imputations, seed=config.seed
    )
    for name, model in models.items():
        fills[name] |= model | {"method": "iterative"}
    out = {name: np.full(len(rows), np.nan) for name in known}
    deviations = {name: np.zeros(len(rows)) for name in known}
    for k, name in enumerate(known):
        out[name][at], deviations[name][at] = filled[:, k], deviation[:, k]
    return out, deviations


def _known(rows: Rows, name: str, empty: dict[str, Any]) -> Any:
    return np.where(empty[name], np.nan, rows.floats(name))


def _times(rows: Rows) -> Any:
    """The column `time` as float64, NaN where it is empty.

    Raises:
        ToolkitError: there is none, or it cannot be read as times.
    """
    import pyarrow as pa

    if "time" not in rows.table.column_names:
        raise ToolkitError("--impute interpolate needs a column with times", "name it with --time, or impute otherwise")
    column = rows.table.column("time")
    kinds = ("float64",) if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) else ()
    for kind in (*kinds, pa.timestamp("us"), "float64"):
        try:
            times = column.cast(kind)
            times = times.cast("int64").cast("float64") if pa.types.is_timestamp(times.type) else times
            return times.to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    raise ToolkitError("the column with times cannot be read as times", "write them as 2024-01-31 or as numbers")


def _series(rows: Rows) -> Any:
    """Int codes of the runs of rows that interpolation stays within: a group (if there are any) of one split."""
    codes = rows.where.astype(np.int64)
    if "group" not in rows.table.column_names:
        return codes
    groups = rows.table.column("group").combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
    return groups.astype(np.int64) * len(rows.names) + codes


def _fill_series(rows: Rows, config: Any, stored: Any) -> dict[str, Any]:
    """Gaps inside a series are interpolated along time, whatever `--impute` says: a channel's median is no course.

    The ends take the nearest value; a channel without any takes its median over train.
    """
    import pyarrow as pa

    series = rows.table.column("series")
    values, channel, row = numbers.flatten(series)
    usable = np.isfinite(values)
    empty = ~usable & rows.alive[row]
    if empty.any() and config.missing.impute != "interpolate":
        console.note("gaps inside series are interpolated along time")
    fills: Fills = stored["columns"] if stored else {}
    if not stored:
        for k in np.unique(channel):
            of_train = values[usable & rows.fit[row] & (channel == k)]
            if len(of_train):
                fills[numbers.channel_name(k)] = {"method": "interpolate", "value": float(np.median(of_train))}
    imputed, left = {}, {}
    known, place = np.where(usable, values, np.nan), np.arange(len(values), dtype=np.float64)
    changed = np.unique(row[empty])
    gappy = np.isin(row, changed)
    for k in np.unique(channel[empty]):
        name, here = numbers.channel_name(k), np.flatnonzero((channel == k) & gappy)
        filled = impute.interpolated(known[here], place[here], row[here])
        filled = np.where(np.isnan(filled), fills.get(name, {}).get("value", np.nan), filled)
        values[here] = filled
        still = int(np.isnan(filled).sum())
        imputed[name] = {"count": int(empty[here].sum()) - still, "method": "interpolate"}
        if still:
            left[name] = still
    if len(changed):
        if pa.types.is_integer(series.type.value_type.value_type):
            values = np.rint(values)  # integers stay integers
        new = numbers.with_values(series, values).take(changed).combine_chunks()
        rows.replace("series", changed, new.cast(series.type))
    flags = stored["flags"] if stored else ["series"] if config.missing.missing_flags and len(changed) else []
    if flags:
        _add_flags(rows, {"series": np.bincount(row[~usable], minlength=len(rows)) > 0})
    rows.fitted["impute"] |= {"columns": fills, "flags": flags}
    return {"imputed": imputed, "left": left}


def _add_flags(rows: Rows, masks: dict[str, Any]) -> None:
    """A boolean column NAME_missing for each mask; one that stands there already stays."""
    import pyarrow as pa

    for name, mask in masks.items():
        flag = f"{name}_missing"
        if flag in rows.table.column_names:
            console.note(f"the column {flag} stands there already, and stays as it is")
        else:
            rows.add_column(flag, pa.array(mask))


def _few(names: Any, most: int = 6) -> list[str]:
    names = list(names)
    return names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
