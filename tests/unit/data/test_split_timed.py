"""Division by time: what counts as a time, where the borders fall, and that the past is not repeated."""

import datetime as dt
import time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data.split import timed
from toolkit.errors import ToolkitError

SHARES = [0.8, 0.1, 0.1]
MINUTE = 60_000_000


def times(values, kind=None):
    ids = [f"r{i}" for i in range(len(values))]
    return timed.times(pa.table({"id": ids, "time": pa.array(values, kind)}), "x.csv")


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 2],
        [0.5, -1.0, 0.25],
        ["10", "9", "9.5"],
        ["2020", "2018", "2019"],
        ["2020-10-01", "2020-09-30", "2020-09-30T10:00:00"],
        ["2020-10-01 00:00:00.5", "2020-10-01", "2020-10-01T00:00"],
        ["2020-01-01T00:30+00:00", "2020-01-01T08:10:00+08:00", "2020-01-01T00:20Z"],
        ["2020/10/1", "2020/9/30", "2020.09.30 10:00"],
        ["2020年10月1日", "2020年9月30日", "2020年9月30日 10:00"],
        ["1650-01-02", "1650-01-01", "1650-01-01 12:00"],
        [dt.date(2020, 1, 3), dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
        [dt.datetime(2020, 1, 3), dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 5)],
        [dt.time(3), dt.time(1), dt.time(1, 30)],
        [Decimal("10.5"), Decimal("9.1"), Decimal("9.2")],
    ],
    ids=str,
)
def test_what_is_a_time(values):
    assert np.argsort(times(values)).tolist() == [1, 2, 0]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no zone to set here")
def test_a_time_without_a_zone_is_one_of_utc(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    found = times(["2020-01-01T08:00", "2020-01-01T08:00+08:00"]).tolist()
    monkeypatch.undo()
    time.tzset()
    assert found == [1_577_865_600_000_000, 1_577_865_600_000_000 - 8 * 60 * MINUTE]


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("s", "Asia/Shanghai"), pa.date32(), pa.date64()])
def test_arrows_times(kind):
    values = pa.array(["2020-01-03", "2020-01-01", "2020-01-02"]).cast(pa.timestamp("s")).cast(kind)
    assert np.argsort(times(values, kind)).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["2020-01-01", "soon"], "row r1 has the time 'soon', which is neither a number nor a date"),
        (["1", "2020-01-01", "02/03/2020"], "row r2 has the time '02/03/2020'"),
        (["2020-13-01"], "row r0"),
        (["2020-01-01", "2019"], "row r1 has the time '2019', where other rows have dates"),
        (["1", "inf"], "row r1 has the time 'inf', which is neither"),
        (["2020-01-01", None, " "], r"2 rows have no time \(first: id r1\)"),
        ([1.0, float("nan")], r"1 rows have no time \(first: id r1\)"),
        ([None, None], "2 rows have no time"),
        ([True, False], "of type bool"),
        ([[1], [2]], "of type list"),
    ],
)
def test_what_is_no_time(values, says):
    with pytest.raises(ToolkitError, match=says):
        times(values)


def test_oldest_first():
    when = np.random.default_rng(0).permutation(1000)
    part, tied = timed.ordered(when, np.arange(1000), SHARES, seed=0)
    assert np.bincount(part).tolist() == [800, 100, 100]
    assert part[np.argsort(when)].tolist() == sorted(part.tolist())
    assert tied == 0


def test_a_cluster_is_of_the_split_that_its_oldest_row_is_in_and_its_later_rows_leave():
    when, clusters = np.arange(100), np.arange(100)
    clusters[[5, 85, 95]] = 5  # train, validation, test
    clusters[[86, 96]] = 86  # validation, test
    clusters[[82, 83]] = 82  # validation alone
    part, _ = timed.ordered(when, clusters, SHARES, seed=0)
    assert set(np.flatnonzero(part < 0).tolist()) == {85, 95, 96}
    assert part[82] == part[83] == 1
    kept = np.bincount(part[part >= 0]) / 97
    assert np.abs(kept - SHARES).max() <= 0.011


def test_borders_fall_between_times_where_one_is_near():
    when = np.repeat(np.arange(25), 40)  # 40 rows at once: an edge every 4%
    part, tied = timed.ordered(when, np.arange(1000), [0.8, 0.2], seed=0)
    assert np.bincount(part).tolist() == [800, 200]
    assert tied == 0
    when = np.concatenate([np.repeat(np.arange(99), 10), [200] * 5])  # an edge at 79.6% and 80.4%, none at 80%
    part, tied = timed.ordered(when, np.arange(995), [0.8, 0.2], seed=0)
    assert max(when[part == 0]) < min(when[part == 1])
    assert tied == 0


def test_two_borders_together_take_no_more_than_a_hundredth_from_a_part():
    when = np.repeat(np.arange(10), [309, 200, 100, 182, 50, 50, 50, 30, 20, 9])  # edges at 609 and at 791
    where, _ = timed.ordered(when, np.arange(1000), [0.6, 0.2, 0.2], seed=0)
    assert np.abs(np.bincount(where) - [600, 200, 200]).max() <= 10


def test_rows_of_one_time_are_divided_where_no_edge_is_near():
    part, tied = timed.ordered(np.repeat([1, 2], 500), np.arange(1000), SHARES, seed=0)
    assert np.bincount(part).tolist() == [800, 100, 100]
    assert tied == 500  # counted once, though two borders fall there
    again, _ = timed.ordered(np.repeat([1, 2], 500), np.arange(1000), SHARES, seed=1)
    assert (part != again).any()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_order_holds_and_nothing_leaks(rows):
    when, clusters = map(np.array, zip(*rows, strict=True))
    part, _ = timed.ordered(when, clusters, SHARES, seed=0)
    for a in range(3):
        for b in range(a + 1, 3):
            if (part == a).any() and (part == b).any():
                assert when[part == a].max() <= when[part == b].min()
            assert not set(clusters[part == a]) & set(clusters[part == b])
