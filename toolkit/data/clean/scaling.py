"""Scaling of the numbers of tables and of the channels of series, as scikit-learn's scalers define it.

Fitted on train (`rows.fit`) alone; the parameters go to `rows.fitted["scale"]`, and an earlier fit in `given["scaler"]`
is applied instead of a new one. Columns named in `given["scaled"]` came scaled and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import numbers
from toolkit.data.clean.rows import Rows
from toolkit.errors import ToolkitError

Parameters = dict[str, dict[str, float]]  # column (or channel) -> {"center", "scale"}: scaled = (x - center) / scale


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any] | None:
    if rows.kind not in ("table", "series"):
        console.note(f"scaling: a source of kind '{rows.kind}' has no numbers to scale")
        return None
    stored = (given.get("scaler") or {}).get("scale")
    method = _method(config.scaling.scale, stored)
    if method == "off":
        console.note("scaling: nothing was scaled where the scaler comes from")
        return None
    names = _names(rows, config)
    done = sorted(set(names) & set(given.get("scaled") or ()))
    if done:
        console.note(f"scaling: came scaled, and stays as it is: {', '.join(done)}")
    names = [name for name in names if name not in done]
    if stored:
        parameters = _applicable(stored["columns"], names, done)
    else:
        parameters = {name: fitted(values, method, name) for name, values in _of_train(rows, names)}
    (_scale_table if rows.kind == "table" else _scale_series)(rows, parameters)
    if parameters:
        rows.fitted["scale"] = {"method": method, "columns": parameters}
    figures = {name: {key: float(f"{v:.6g}") for key, v in p.items()} for name, p in parameters.items()}
    return {"method": method, "stored": bool(stored), "columns": figures, "already": done}


def fitted(values: Any, method: str, name: str = "") -> dict[str, float]:
    """{"center", "scale"} of a float64 array; a column that is constant or empty gets the scale 1.

    `robust`: median and interquartile range. `standard`: mean and standard deviation. `minmax`: minimum and range.

    Raises:
        ToolkitError: the squares of the values of the column `name` are no floats any more.
    """
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    values = np.sort(values[np.isfinite(values)])[:, None]  # sorted: sums do not depend on the order of the rows
    if not len(values):
        return {"center": 0.0, "scale": 1.0}
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(values.std()):
            raise ToolkitError(f"the numbers of '{name}' are too large to scale", "write them in another unit")
    if method == "minmax":
        scaler = MinMaxScaler().fit(values)
        return {"center": float(scaler.data_min_[0]), "scale": 1 / float(scaler.scale_[0])}
    if method == "robust":
        scaler = RobustScaler().fit(values)
        return {"center": float(scaler.center_[0]), "scale": float(scaler.scale_[0])}
    scaler = StandardScaler().fit(values)
    return {"center": float(scaler.mean_[0]), "scale": float(scaler.scale_[0])}


def _method(asked: str, stored: Any) -> str:
    if not stored:
        return asked
    if asked not in ("off", stored["method"]):
        raise ToolkitError(
            f"the scaler is '{stored['method']}', and --scale asks for '{asked}'", "leave out --scale or --scaler"
        )
    return str(stored["method"])


def _applicable(stored: Parameters, names: list[str], done: list[str]) -> Parameters:
    """The stored parameters of the columns that are still to be scaled.

    Raises:
        ToolkitError: the data have other columns of numbers than those that the scaler was fitted to.
    """
    lacking, extra = sorted(set(stored) - set(names) - set(done)), sorted(set(names) - set(stored))
    if lacking or extra:
        told = [f"it lacks {', '.join(extra)}"] if extra else []
        told += [f"the data have no numbers in {', '.join(lacking)}"] if lacking else []
        raise ToolkitError(
            f"the scaler was fitted to other columns: {'; '.join(told)}",
            "give data with the same columns, or fit anew with --scale and without --scaler",
        )
    return {name: stored[name] for name in names}


def _names(rows: Rows, config: Any) -> list[str]:
    if rows.kind == "table":
        return numbers.numeric(rows.table, rows.features)
    return [numbers.channel_name(k) for k in np.unique(numbers.flatten(rows.table.column("series"))[1])]


def _of_train(rows: Rows, names: list[str]) -> Iterator[tuple[str, Any]]:
    """(column or channel, its values in train), one at a time."""
    if rows.kind == "table":
        for name in names:
            yield name, rows.floats(name)[rows.fit]
        return
    values, channel, row = numbers.flatten(rows.table.column("series"))
    of_train = rows.fit[row]
    for k in np.unique(channel):
        if numbers.channel_name(k) in names:
            yield numbers.channel_name(k), values[of_train & (channel == k)]


def _scale_table(rows: Rows, parameters: Parameters) -> None:
    """Integers become floats; rejected rows keep their values."""
    import pyarrow as pa

    for name, p in parameters.items():
        values, empty = rows.floats(name), rows.table.column(name).is_null().to_numpy()
        values = np.where(rows.alive, (values - p["center"]) / p["scale"], values)
        rows.set_column(name, pa.array(values, pa.float64(), mask=empty))


def _scale_series(rows: Rows, parameters: Parameters) -> None:
    series = rows.table.column("series")
    values, channel, row = numbers.flatten(series)
    living = rows.alive[row]
    for k in np.unique(channel):
        p = parameters.get(numbers.channel_name(k))
        if p:
            here = living & (channel == k)
            values[here] = (values[here] - p["center"]) / p["scale"]
    if parameters:
        rows.set_column("series", numbers.with_values(series, values))
