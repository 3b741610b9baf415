import numpy as np
import pytest
from scipy.special import expit

from toolkit.evaluation import calibration, metrics


def test_error_is_the_mean_gap():
    confidence, right = np.array([0.31, 0.35, 0.95, 1.0, 0.99]), np.array([True, False, True, True, False])
    found = calibration.error(confidence, right, seed=0)
    assert found["ece"]["value"] == pytest.approx((2 * abs(0.33 - 0.5) + 3 * abs(0.98 - 2 / 3)) / 5)


def test_a_calibrated_model_may_have_none():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 2000)
    found = calibration.error(confidence, rng.random(2000) < confidence, seed=0)
    assert found["ece"]["low"] == 0 < found["ece_debiased"]["value"] < found["ece"]["value"] < found["ece"]["high"]


def test_an_overconfident_one_has_some_and_bias_is_little_of_it():
    rng = np.random.default_rng(0)
    found = calibration.error(np.full(4000, 0.95), rng.random(4000) < 0.75, seed=0)
    assert 0.15 < found["ece"]["low"] < 0.2 < found["ece"]["high"] < 0.25
    assert found["ece_debiased"]["value"] == pytest.approx(found["ece"]["value"], abs=1e-6)
    assert found == calibration.error(np.full(4000, 0.95), np.random.default_rng(0).random(4000) < 0.75, seed=0)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_temperature_is_found_within_its_interval_and_repairs(truth, several):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(3000, 4)) * 2
    if several:
        labels, told = rng.random((3000, 4)) < expit(logits), metrics.sigmoid(logits * truth)
    else:
        labels = np.array([rng.choice(4, p=p) for p in metrics.softmax(logits)])
        told = metrics.softmax(logits * truth)
    found = calibration.temperature(labels, told)
    assert found["low"] < truth < found["high"]
    assert found["high"] - found["low"] < 0.15 * truth
    expected = metrics.sigmoid(logits) if several else metrics.softmax(logits)
    assert calibration.scaled(told, truth, several) == pytest.approx(expected)


def test_temperature_of_probabilities_that_are_zero():
    labels, told = np.array([0, 1, 1]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = calibration.temperature(labels, told)
    assert found["value"] == pytest.approx(calibration.TEMPERATURES[1], rel=1e-3)
    assert np.isfinite(calibration.scaled(told, found["value"], several=False)).all()


def test_a_temperature_that_rows_do_not_tell_has_no_interval():
    labels, told = np.array([0, 1, 1, 0]), np.array([[0.501, 0.499]] * 4)
    found = calibration.temperature(labels, told)
    assert found == {"value": pytest.approx(calibration.TEMPERATURES[1], rel=1e-3), "low": None, "high": None}
