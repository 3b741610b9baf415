import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data import impute, numbers
from toolkit.errors import ToolkitError


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def test_gaps():
    assert impute.gaps(column([1.0, None, float("nan"), float("inf"), 0.0])).tolist() == [0, 1, 1, 1, 0]
    assert impute.gaps(column(["a", None, "", " \u3000", "无"])).tolist() == [0, 1, 1, 1, 0]
    assert impute.gaps(column([0, None])).tolist() == [0, 1]
    assert impute.gaps(column([None, None])).tolist() == [1, 1]
    assert impute.gaps(column([False, None])).tolist() == [0, 1]


DAYS = [datetime.date(2020, 1, d) for d in (9, 1, 3, 2)]


@pytest.mark.parametrize(
    ("values", "kind", "how", "fill"),
    [
        ([1.0, 2.0, 40.0, None], None, "median", ("median", 2.0)),
        ([1.0, 2.0, 42.0, float("nan")], None, "mean", ("mean", 15.0)),
        ([1, 2, 4, None, 4], pa.int32(), "median", ("median", 3)),
        ([1, 2], pa.int64(), "median", ("median", 2)),  # 1.5: the even one
        ([1, 1, 2], pa.int64(), "mean", ("mean", 1)),
        ([1.0, 3.0], pa.float32(), "iterative", ("median", 2.0)),
        (["b", "a", None, "", "b", "a", "c"], None, "mean", ("mode", "a")),
        (["丙", "甲", "甲"], None, "median", ("mode", "甲")),
        ([True, False, None, True], None, "median", ("mode", True)),
        ([False, True], None, "median", ("mode", False)),
        ([*DAYS, None], None, "mean", ("median", "2020-01-02")),
        ([decimal.Decimal("1.5"), decimal.Decimal("9.0"), None], None, "median", ("median", "1.5")),
    ],
)
def test_what_fills(values, kind, how, fill):
    found = impute.fitted(column(values, kind), how)
    assert (found["method"], found["value"]) == fill
    assert type(found["value"]) is type(fill[1])


@pytest.mark.parametrize("values", [[None, None], [" "], [str(i) for i in range(10)], [[1], None], [float("nan")]])
def test_what_has_no_fill(values):
    assert impute.fitted(column(values), "median") is None


@pytest.mark.parametrize(
    ("values", "kind", "put"),
    [
        ([2.6], pa.int16(), [3]),
        ([3], pa.float32(), [3.0]),
        (["2020-01-02"], pa.date32(), [datetime.date(2020, 1, 2)]),
        (["2020-01-02 03:04:05"], pa.timestamp("us"), [datetime.datetime(2020, 1, 2, 3, 4, 5)]),
        (["1.5"], pa.decimal128(5, 2), [decimal.Decimal("1.50")]),
        ([True], pa.bool_(), [True]),
    ],
)
def test_fills_take_the_columns_type(values, kind, put):
    made = impute.typed(values, kind, "x")
    assert made.type == kind
    assert made.to_pylist() == put


@pytest.mark.parametrize(("values", "kind"), [(["red"], pa.int64()), (["red"], pa.float64()), (["red"], pa.date32())])
def test_fills_of_another_type_are_refused(values, kind):
    with pytest.raises(ToolkitError, match=r"'x' .* cannot be filled with 'red'"):
        impute.typed(values, kind, "x")


def test_interpolation_stays_in_its_series_and_does_not_depend_on_order():
    gap = np.nan
    values = np.array([gap, 1.0, gap, 4.0, gap, 10.0, gap, gap, 7.0])
    times = np.array([0.0, 1, 2, 4, 9, 0, 3, 1, gap])
    series = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2])
    expected = [1.0, 1, 2, 4, 4, 10, 10, gap, 7]  # alone in its series without a time: stays empty
    assert np.array_equal(impute.interpolated(values, times, series), expected, equal_nan=True)
    order = np.random.default_rng(0).permutation(len(values))
    mixed = impute.interpolated(values[order], times[order], series[order])
    assert np.array_equal(mixed, np.array(expected)[order], equal_nan=True)
    two_at_once = impute.interpolated(np.array([1.0, 3.0, gap]), np.array([5.0, 5.0, 5.0]), np.zeros(3, int))
    assert two_at_once.tolist() == [1.0, 3.0, 2.0]


def related(count, seed=0):
    """Three columns of other sizes that follow one cause, the last with a quarter of gaps; and the full ones."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=count)
    full = np.column_stack([cause, 1000 * cause + 50 * rng.normal(size=count) + 4000, 9 - cause / 10])
    full[:, 2] += 0.01 * rng.normal(size=count)
    gappy = full.copy()
    gappy[rng.random(count) < 0.25, 2] = np.nan
    return full, gappy


def test_chained_equations_beat_the_median():
    full, gappy = related(400)
    empty = np.isnan(gappy[:, 2])
    filled, deviation, models = impute.chained(["a", "b", "c"], gappy, gappy[empty], draws=5, seed=1)
    again, _, _ = impute.chained(["a", "b", "c"], gappy, gappy[empty], draws=5, seed=1)
    assert np.array_equal(filled, again)
    spread, wrong = full[:, 2].std(), np.sqrt(np.mean((filled[:, 2] - full[empty, 2]) ** 2))
    assert wrong < spread / 4
    assert 0 < deviation[:, 2].mean() < spread / 4
    assert np.allclose(deviation[:, :2], 0)
    assert list(models) == ["c"]
    low, high = np.nanmin(gappy[:, 2]), np.nanmax(gappy[:, 2])
    assert low <= filled[:, 2].min() <= filled[:, 2].max() <= high


def test_stored_regressions_fill_later_data():
    full, gappy = related(400)
    _, _, models = impute.chained(["a", "b", "c"], gappy, gappy, draws=5, seed=1)
    later, _ = related(200, seed=5)
    columns = {"a": later[:, 0], "b": later[:, 1], "c": np.full(200, np.nan)}
    fills = {"a": {"value": 0.0}, "b": {"value": 4000.0}, "c": {"value": 9.0, **models["c"]}}
    found = impute.predicted(columns, fills)
    assert np.array_equal(found["a"], later[:, 0])
    assert np.sqrt(np.mean((found["c"] - later[:, 2]) ** 2)) < full[:, 2].std() / 4
    far = impute.predicted({"a": np.array([1e3]), "b": np.array([1e6]), "c": np.array([np.nan])}, fills)
    assert far["c"] == fills["c"]["range"][0]


@pytest.mark.parametrize("draws", [1, 2])
def test_gaps_that_the_sample_has_not_take_the_median(draws):
    _, gappy = related(50)
    sample = gappy[~np.isnan(gappy[:, 2])]
    filled, _, models = impute.chained(["a", "b", "c"], sample, gappy, draws=draws, seed=0)
    assert models == {}
    assert np.allclose(filled[np.isnan(gappy[:, 2]), 2], np.median(sample[:, 2]))


SERIES = [[[1.0, 2.0, None], [3.0]], None, [[]], [[4.0, float("nan")], None], [[5.0, 6.0]]]


def test_series_are_taken_apart_and_put_together():
    kind = pa.list_(pa.list_(pa.float32()))
    series = pa.chunked_array([pa.array(SERIES[:1], kind), pa.array(SERIES[1:], kind)])
    values, channel, row = numbers.flatten(series)
    assert np.array_equal(values, [1, 2, np.nan, 3, 4, np.nan, 5, 6], equal_nan=True)
    assert channel.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert row.tolist() == [0, 0, 0, 0, 3, 3, 4, 4]
    doubled = numbers.with_values(series, values * 2).to_pylist()
    assert doubled == [[[2, 4, None], [6]], None, [[]], [[8, None], None], [[10, 12]]]
    part = series.slice(2, 2)
    assert numbers.with_values(part, numbers.flatten(part)[0]).to_pylist() == [[[]], [[4, None], None]]
    assert [len(a) for a in numbers.flatten(series.slice(0, 0))] == [0, 0, 0]


def test_series_statistics():
    found = numbers.series_statistics(column(SERIES, pa.list_(pa.list_(pa.float64()))))
    assert found["length"].tolist() == [3, 0, 0, 2, 2]
    gap = np.nan
    assert np.array_equal(found["mean of channel 1"], [1.5, gap, gap, 4, 5.5], equal_nan=True)
    assert np.array_equal(found["standard deviation of channel 1"], [0.5, gap, gap, 0, 0.5], equal_nan=True)
    assert np.array_equal(found["range of channel 2"], [0, gap, gap, gap, gap], equal_nan=True)
    assert list(numbers.series_statistics(column([[[1.0]]]))) == ["length", "mean", "standard deviation", "range"]


@pytest.mark.parametrize(
    "name", ["id", "ID", "user_id", "Individual ID", "userId", "orderID", "用户编号", "Unnamed: 0"]
)
def test_identifiers_are_no_numbers(name):
    table = pa.table({name: [1, 2], "paid": [1, 2], "grid": [0.5, 1.0], "done": [True, False], "编号前": [1, 2]})
    assert numbers.numeric(table, table.column_names) == ["paid", "grid", "编号前"]


def test_usual():
    values = np.array([1.0, 2, 3, 4, np.nan, 5, 6, 7, 8, 9, 1000])
    median, deviation = 5.5, 2.5
    low, high = numbers.usual(values, "mad", 3.5)
    assert np.isclose(low, median - 3.5 * deviation / 0.6745)
    assert np.isclose(high, median + 3.5 * deviation / 0.6745)
    known = values[~np.isnan(values)]
    assert np.allclose(
        numbers.usual(values, "sigma", 2), (known.mean() - 2 * known.std(), known.mean() + 2 * known.std())
    )
    mostly = np.array([5.0] * 90 + [6.0] * 10)  # the median deviation is 0, the mean one is 0.1
    assert np.allclose(numbers.usual(mostly, "mad", 3.5), (5 - 3.5 * 0.1253314, 5 + 3.5 * 0.1253314))
    assert numbers.usual(np.full(20, 0.1), "sigma", 3) is None
    assert numbers.usual(np.array([np.nan, np.inf]), "mad", 3) is None


tails = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0, float("nan"), 1e9]), min_size=15, max_size=60)


@given(tails, tails, st.sampled_from(["sigma", "mad"]), st.floats(1, 4), st.randoms())
def test_clipping_the_clipped_finds_nothing(first, second, method, bound, random):
    count = min(len(first), len(second))
    columns = [np.array(first[:count]), np.array(second[:count])]
    fit = np.array([random.random() < 0.9 for _ in range(count)])
    rounds, crowded = numbers.clipped(columns, fit, method, bound)
    inside = fit.copy()
    for bounds in rounds:
        for values, limits in zip(columns, bounds, strict=True):
            if limits:
                inside &= ~numbers.outside(values, limits)
    assert len(numbers.clipped(columns, inside, method, bound)[0]) == 1
    order = np.array(random.sample(range(count), count), dtype=int)
    mixed = numbers.clipped([values[order] for values in columns], fit[order], method, bound)
    assert mixed == (rounds, crowded)


def test_shown():
    shown = [numbers.shown(v) for v in (9300.0, 0.123456, 1234567.8, -3.0, 1e20)]
    assert shown == ["9,300", "0.12346", "1,234,568", "-3", "1e+20"]


@pytest.mark.parametrize("how", ["mean", "median"])
def test_numbers_whose_sum_is_beyond_the_floats(how):
    assert impute.fitted(pa.chunked_array([[1e308, 1e308]]), how)["value"] == 1e308
