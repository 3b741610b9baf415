import warnings

import numpy as np
import pytest

from toolkit.evaluation import paired, statistics


@pytest.mark.parametrize("scale", ["share", "signed", "positive"])
def test_of_many_rows_the_interval_is_the_normal_one(scale):
    values = np.random.default_rng(0).uniform(0.2, 0.6, 5000)
    found = statistics.mean(values, scale)
    half = 1.96 * values.std() / np.sqrt(5000)
    assert found["value"] == pytest.approx(values.mean())
    assert (found["low"], found["high"]) == pytest.approx((values.mean() - half, values.mean() + half), abs=2e-4)


def test_one_row_that_carries_the_variance_makes_the_interval_wide():
    rare, often = np.zeros(1000), np.zeros(1000)
    rare[0], often[:100] = 1.0, 0.1
    assert np.square(rare - rare.mean()).sum() == pytest.approx(np.square(often - often.mean()).sum(), rel=0.12)
    wide, narrow = (statistics.from_influence(0.5, (v - v.mean()) / 50, "share", rows=9) for v in (rare, often))
    assert wide["high"] - wide["low"] > 1.8 * (narrow["high"] - narrow["low"])


def test_where_all_rows_are_alike_a_share_has_the_interval_of_wilson():
    for value in (0.0, 1.0):
        low, high = statistics.wilson(value * 40, 40)
        found = statistics.from_influence(value, np.zeros(40), "share", rows=40)
        assert found == {"value": value, "low": low, "high": high}
    signed = statistics.from_influence(1.0, np.zeros(40), "signed", rows=40)
    assert signed == {"value": 1.0, "low": 2 * low - 1, "high": 1.0}
    assert statistics.mean(np.full(3, 0.7)) == {"value": pytest.approx(0.7), "low": None, "high": None}


def test_few_rows_stay_on_the_scale_and_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.from_influence(0.999, np.array([0.5, -0.5]), "share", rows=2)
    assert found == {"value": 0.999, "low": 0.0, "high": 1.0}


def test_the_interval_lies_around_the_centre_and_holds_the_value():
    found = statistics.from_influence(0.2, np.full(100, 0.001), "share", rows=100, centre=0.5)
    assert found["low"] == found["value"] == 0.2
    assert 0.5 < found["high"] < 0.6


def test_a_share_of_no_rows_is_undefined():
    assert statistics.share(0, 0) == {"value": None, "low": None, "high": None}
    assert statistics.share(1, 2)["value"] == 0.5


def test_a_paired_difference_has_a_narrow_interval_and_one_where_no_row_differs():
    """Two models that err on the same rows differ surely, however few rows differ."""
    lost = np.repeat([1.0, 0.0], [50, 950])
    found = statistics.mean(lost, "difference")
    half = 1.96 * lost.std() / np.sqrt(1000)
    assert (found["low"], found["high"]) == pytest.approx((0.05 - half, 0.05 + half), abs=1e-3)
    for side in (-1, 1):
        few = statistics.mean(side * np.repeat([1.0, 0.0], [1, 59]), "difference")
        assert few["low"] < 0 < few["high"]
    low, high = map(float, paired.interval(0, 0, 60))
    same = statistics.mean(np.zeros(60), "difference")
    assert (same["low"], same["value"], same["high"]) == pytest.approx((low, 0, high), abs=1e-6)
    assert statistics.mean(np.array([1.0, -1.0]), "difference") == {"value": 0, "low": -1, "high": 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_undefined_is_none(value):
    assert statistics.estimate(value, [1.0]) == {"value": None, "low": None, "high": None}


def test_undefined_resamples_are_left_out():
    assert statistics.estimate(0.5, [np.nan, 0.4, 0.6]) == {"value": 0.5, "low": 0.405, "high": 0.595}
    assert statistics.estimate(0.5, [np.nan]) == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert statistics.estimate(0.9, [0.4, 0.6])["high"] == 0.9
