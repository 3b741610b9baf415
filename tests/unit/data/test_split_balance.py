"""Balance: ratios, rows dropped, rows copied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data.split import balance
from toolkit.errors import ToolkitError


@pytest.mark.parametrize(
    ("text", "ratio"), [("1:1", 1), ("1:1.5", 1.5), (" 2 : 3 ", 1.5), ("0.5:1", 2), ("1：2", 2), ("10:10", 1)]
)
def test_ratio(text, ratio):
    assert balance.ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "1", "1.5", "1:", ":1", "a:b", "1:2:3", "0:1", "-1:1", "1:nan", "1/2"])
def test_no_ratio(text):
    with pytest.raises(ToolkitError, match="is no ratio: write smallest:largest"):
        balance.ratio(text)


def test_the_larger_class_comes_last():
    with pytest.raises(ToolkitError, match="smallest class that is the larger one"):
        balance.ratio("2:1")


CODES = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)
RATIOS = st.sampled_from([1.0, 1.5, 2.0, 3.3])


@given(CODES, RATIOS)
def test_under(codes, most):
    gone = balance.under(codes, most, seed=0)
    before, after = np.bincount(codes), np.bincount(np.delete(codes, gone), minlength=codes.max() + 1)
    smallest = before[before > 0].min()
    assert (after == np.minimum(before, np.floor(smallest * most + 1e-9))).all()  # no row more than needed


@given(CODES, RATIOS)
def test_over(codes, most):
    rows, number = balance.over(codes, most, seed=0)
    before, copied = np.bincount(codes), np.bincount(codes[rows], minlength=codes.max() + 1)
    wanted = np.where(before > 0, np.maximum(before, np.ceil(before.max() / most - 1e-9)), 0)
    assert (before + copied == wanted).all()
    times = np.bincount(rows, minlength=len(codes))
    for one in set(codes.tolist()):
        assert np.ptp(times[codes == one]) <= 1  # each as often as the others of its class
    assert len({*zip(rows.tolist(), number.tolist(), strict=True)}) == len(rows)
    assert all(number[rows == row].max() == times[row] for row in set(rows.tolist()))


def test_chance_decides_which():
    codes = np.repeat([0, 1], [10, 100])
    assert (balance.under(codes, 1, seed=0) == balance.under(codes, 1, seed=0)).all()
    assert (balance.under(codes, 1, seed=0) != balance.under(codes, 1, seed=1)).any()
    assert (balance.over(codes, 4, seed=0)[0] != balance.over(codes, 4, seed=1)[0]).any()
