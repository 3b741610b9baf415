import numpy as np
import pytest

from toolkit.compression.quantize import calibration


@pytest.mark.parametrize("count", [10, 33, 100])
def test_sample_has_the_shares_of_the_classes(count):
    labels = [0] * 500 + [1] * 300 + [2] * 200
    drawn = np.bincount([labels[i] for i in calibration.stratified(labels, count, seed=0)], minlength=3)
    assert drawn.sum() == count
    assert np.abs(drawn - count * np.array([0.5, 0.3, 0.2])).max() <= 1


def test_sample_is_seeded_and_without_repeats():
    labels = [0, 1] * 50
    first = calibration.stratified(labels, 40, seed=1)
    assert first == calibration.stratified(labels, 40, seed=1)
    assert first != calibration.stratified(labels, 40, seed=2)
    assert len(set(first)) == 40


def test_a_row_of_several_classes_counts_for_its_rarest():
    labels = [[0], [0, 1]] * 20 + [[0, 2], [2]] * 5
    drawn = [labels[i] for i in calibration.stratified(labels, 10, seed=0)]
    assert sum(2 in row for row in drawn) == 2
    assert sum(1 in row for row in drawn) == 4


def test_halves_share_no_row_and_have_the_same_classes():
    labels = [0] * 61 + [1] * 30 + [2] * 8
    halves = calibration.halves(labels, seed=0)
    assert sorted(halves[0] + halves[1]) == list(range(99))
    first, second = (np.bincount([labels[i] for i in half], minlength=3) for half in halves)
    assert np.abs(first - second).max() <= 2
