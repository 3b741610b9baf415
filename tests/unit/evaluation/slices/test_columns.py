import datetime

import numpy as np
import pandas as pd
import pytest

from toolkit.evaluation.slices import columns, family


def told(wrong, values):
    return columns.table(np.array(wrong, bool), *columns.divide("c", pd.Series(values)))


def test_a_slice_a_value_the_worst_first():
    found = told([0, 1, 0, 1, 0, 1, 0], ["a", "b", "a", None, float("nan"), "b", "b"])
    assert [(s["value"], s["rows"], s["errors"]) for s in found] == [("b", 3, 2), ("(missing)", 2, 1), ("a", 2, 0)]


@pytest.mark.parametrize(
    "values", [["a"] * 60, [f"t{i}" for i in range(60)], ["x" * 100_000 + f"t{i}" for i in range(60)], [None] * 60]
)
def test_columns_that_do_not_divide_the_rows(values):
    assert told([1] * 60, values) == []


def test_columns_of_any_kind():
    for values in ([1, 2, 1, 2], [True, False] * 2, [np.array([1, 2]), np.array([3, 4])] * 2, [["a"], []] * 2,
                   [datetime.date(2020, 1, 1), None] * 2):  # fmt: skip
        assert [s["rows"] for s in told([1, 0, 1, 0], values)] == [2, 2]


def test_numbers_are_cut_at_their_quantiles():
    found = told([0] * 80 + [1] * 20, np.arange(100.0))
    assert [(s["value"], s["rows"]) for s in found] == [
        ("0 to 19", 20), ("20 to 39", 20), ("40 to 59", 20), ("60 to 79", 20), ("80 to 99", 20)
    ]  # fmt: skip
    assert [s["errors"] for s in found] == [0, 0, 0, 0, 20]


def test_numbers_with_gaps_and_a_crowd():
    values = pd.Series([0.0] * 50 + [*np.linspace(1, 2, 40)] + [None] * 10)
    codes, conditions = columns.divide("n", values)
    assert (np.bincount(codes) > 0).all()
    assert codes[:50].tolist() == [0] * 50
    assert conditions[0] == {"column": "n", "value": "0", "low": 0.0, "high": 0.0}
    assert conditions[-1]["value"] == "(missing)"
    assert (codes[90:] == len(conditions) - 1).all()


@pytest.mark.parametrize("kind", [str, pd.Timestamp, lambda t: pd.Timestamp(t).date()])
def test_times_are_cut_too(kind):
    values = [kind(f"2024-{month:02}-{day:02}") for month in range(1, 6) for day in range(1, 11)]
    found = told([0] * 50, values)
    assert found[0]["value"] == "2024-01-01 to 2024-01-10"
    assert [s["rows"] for s in found] == [10] * 5


def test_of_many_values_the_most_frequent():
    values = [f"v{i:03}" for i in range(100) for _ in range(i + 1)]
    codes, conditions = columns.divide("c", pd.Series(values))
    assert len(conditions) == columns.MOST_VALUES + 1
    assert conditions[0]["value"] == "v099"
    assert conditions[-1]["value"] == "(others)"
    assert (codes == columns.MOST_VALUES).sum() == sum(range(1, 51))


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", None] * 10,
        list(range(30)),
        [*range(29), None],
        [f"2024-01-{d:02}T00:00:00" for d in range(1, 31)],
        [True, False, None] * 10,
    ],
)
def test_a_condition_holds_where_it_was_made(values):
    series = pd.Series(values)
    codes, conditions = columns.divide("c", series)
    for i, condition in enumerate(conditions):
        assert columns.holds(condition, series).tolist() == (codes == i).tolist()


def test_a_condition_on_other_rows():
    _, conditions = columns.divide("n", pd.Series(range(100)))
    assert columns.holds(conditions[0], pd.Series([-5, 0, 19, 20, 7])).tolist() == [False, True, True, False, True]
    assert not columns.holds(conditions[0], pd.Series(["a", "b"])).any()


def test_a_familys_slices():
    codes = np.array([0] * 6 + [1] * 3 + [-1] * 2 + [2] * 9)
    found = family.of_codes("column", [{"column": "c", "value": v} for v in "xyz"], codes)
    assert [w[0]["value"] for w in found.where] == ["x", "z"]  # y has too few rows
    assert found.rows(1).tolist() == list(range(11, 20))
    wrong = np.arange(20) >= 18
    figures = found.figures(1, wrong)
    assert (figures["rows"], figures["errors"], figures["lift"]) == (9, 2, pytest.approx(2 / 9 / 0.1))
    both = family.together([found, found])
    assert len(both) == 4
    assert both.rows(3).tolist() == found.rows(1).tolist()


def test_slice_of():
    wrong, member = np.array([1, 1, 0, 0, 0], bool), np.array([1, 0, 1, 0, 0], bool)
    found = family.slice_of("source", "chat", wrong, member)
    assert (found["column"], found["value"], found["rows"], found["errors"]) == ("source", "chat", 2, 1)
    assert found["error_rate"]["value"] == 0.5
    assert found["lift"] == pytest.approx(0.5 / 0.4)
    nothing = family.slice_of("a", "b", wrong, ~wrong & wrong)
    assert nothing["error_rate"] == {"value": None, "low": 0.0, "high": 1.0}
    assert family.slice_of("a", "b", wrong & False, member)["lift"] is None
