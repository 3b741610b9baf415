"""Values for empty cells: which cells are empty, what to put there, fitted on some rows and applied to any.

Fits are plain numbers and texts, so that they can be stored as JSON and used again on later data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

ROUNDS = 10  # of the chained equations; the default of scikit-learn
MOST_ROWS = 10_000  # that the chained equations are fitted on; a few coefficients need no more
MOST_NEIGHBOURS = 30  # columns that a column is predicted from
_FREE_TEXT = 10  # so many values, none of them twice: no category


def gaps(column: pa.ChunkedArray) -> Any:
    """Bool array: which cells are null, blank, or no finite number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_floating(kind):
        empty = pc.fill_null(pc.invert(pc.is_finite(column)), True)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)
    else:
        empty = column.is_null()
    return empty.to_numpy()


def fitted(column: pa.ChunkedArray, how: str) -> dict[str, Any] | None:
    """What fills the gaps of a column, from its filled cells: {"method", "value"}; None where nothing can.

    Numbers: the mean, or the median (of integers rounded, so that they stay integers; halves to the even one). Dates,
    points in time and decimals: the lower median. Booleans and texts: the commonest value, of several the first in
    order; but free text (no value occurs twice) has none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column, kind = column.filter(pa.array(~gaps(column))), column.type
    if not len(column):
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        method = "mean" if how == "mean" else "median"
        values = np.sort(column.to_numpy())
        with np.errstate(over="ignore"):
            value = float((np.mean if method == "mean" else np.median)(values))
        if not np.isfinite(value):  # their sum is beyond the floats
            value = float(values[(len(values) - 1) // 2])
        return {"method": method, "value": round(value) if pa.types.is_integer(kind) else value}
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_decimal(kind):
        middle = column.take(pc.sort_indices(column)[(len(column) - 1) // 2 : (len(column) + 1) // 2])
        return {"method": "median", "value": middle.cast(pa.string())[0].as_py()}
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        counts = pc.value_counts(column)
        most = pc.max(counts.field(1)).as_py()
        if most == 1 and len(column) >= _FREE_TEXT:
            return None
        return {"method": "mode", "value": min(counts.field(0).filter(pc.equal(counts.field(1), most)).to_pylist())}
    return None


def typed(values: Sequence[Any] | Any, kind: pa.DataType, name: str) -> pa.Array:
    """Values to put into a column of this type; into one of integers they are rounded.

    Raises:
        ToolkitError: they cannot be of that type (a fit that was stored with other data).
    """
    import pyarrow as pa

    try:
        if pa.types.is_integer(kind):
            values = np.rint(np.asarray(values, np.float64))
            values = values.astype(np.uint64 if kind == "uint64" else np.int64)
        return pa.array(values).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, TypeError) as e:
        raise ToolkitError(
            f"the column '{name}' ({kind}) cannot be filled with {values[0]!r}", "clean it without --scaler"
        ) from e


def interpolated(values: Any, times: Any, series: Any) -> Any:
    """A column with its gaps filled along time, in each series by itself; the ends by the nearest value.

    Args:
        values: float64, NaN in gaps.
        times: float64; where NaN, the row neither gives nor gets a value.
        series: int codes; equal ones belong together.

    Returns:
        float64; NaN still, where a series has no value at all.
    """
    out, missing = values.copy(), np.isnan(values)
    order = np.flatnonzero(~np.isnan(times))
    order = order[np.lexsort((times[order], series[order]))]
    for rows in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
        empty = rows[missing[rows]]
        known = rows[~missing[rows]]
        if len(empty) and len(known):
            at, owner, count = np.unique(times[known], return_inverse=True, return_counts=True)
            means = np.bincount(owner, weights=values[known]) / count  # of several values at one time
            out[empty] = np.interp(times[empty], at, means)
    return out


def chained(
    names: Sequence[str], sample: Any, gappy: Any, *, draws: int, seed: int
) -> tuple[Any, Any, dict[str, dict[str, Any]]]:
    """Multiple imputation by chained equations (van Buuren and Groothuis-Oudshoorn, 2011): scikit-learn's
    IterativeImputer with Bayesian ridge regressions, several draws from the posterior.

    Columns are standardised for the regressions, and no value leaves the range seen in `sample`.

    Args:
        names: the columns; each has two different values in `sample` at least.
        sample: float64 (n, columns), the rows to fit on, NaN in gaps.
        gappy: float64 (m, columns), the rows to fill.

    Returns:
        (m, columns) filled with the means of the draws; (m, columns) standard deviations between the draws; and for
        each column with gaps in `sample` the regression that `predicted` applies.
    """
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    centre, scale = np.nanmean(sample, axis=0), np.nanstd(sample, axis=0)
    sample, gappy = (sample - centre) / scale, (gappy - centre) / scale
    low, high = np.nanmin(sample, axis=0), np.nanmax(sample, axis=0)
    filled, weights, constants = [], np.zeros((len(names), len(names))), np.zeros(len(names))
    for draw in console.track(range(draws), "imputing"):
        imputer = IterativeImputer(
            sample_posterior=True,
            max_iter=ROUNDS,
            n_nearest_features=MOST_NEIGHBOURS if len(names) > MOST_NEIGHBOURS else None,
            initial_strategy="median",
            min_value=low,
            max_value=high,
            skip_complete=True,
            random_state=seed + draw,
        ).fit(sample)
        filled.append(imputer.transform(gappy) * scale + centre)
        last = imputer.imputation_sequence_[-int(np.isnan(sample).any(axis=0).sum()) :]
        for target, others, regression in last:
            weights[target, others] += regression.coef_ / draws
            constants[target] += regression.intercept_ / draws
    models = {}
    for j in np.flatnonzero(np.isnan(sample).any(axis=0)).tolist():
        raw = weights[j] * scale[j] / scale  # of the columns as they are
        models[names[j]] = {
            "coefficients": {names[k]: float(raw[k]) for k in np.flatnonzero(raw).tolist()},
            "constant": float(centre[j] + constants[j] * scale[j] - raw @ centre),
            "range": [float(v * scale[j] + centre[j]) for v in (low[j], high[j])],
        }
    deviation = np.std(filled, axis=0, ddof=1) if draws > 1 else np.zeros_like(gappy)
    return np.mean(filled, axis=0), deviation, models


def predicted(columns: Mapping[str, Any], fills: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Later data filled by stored regressions: the same rounds, from the same starts, without draws.

    Args:
        columns: float64 arrays, NaN in gaps.
        fills: for each column its start ("value") and, where it has one, its regression.
    """
    empty = {name: np.isnan(values) for name, values in columns.items()}
    out = {name: np.where(empty[name], fills[name]["value"], values) for name, values in columns.items()}
    for _ in range(ROUNDS):
        for name, fill in fills.items():
            if "coefficients" in fill and name in out and empty[name].any():
                here = empty[name]
                total = np.full(int(here.sum()), fill["constant"])
                for other, weight in fill["coefficients"].items():
                    total += weight * out[other][here]
                out[name][here] = np.clip(total, *fill["range"])
    return out
