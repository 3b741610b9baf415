import numpy as np
import pytest

from toolkit.data.augment import quotas

CODES = np.repeat([0, 1, 2], [60, 10, 3])
IDS = [f"r{i:03}" for i in range(len(CODES))]
ALL = np.ones(len(CODES), dtype=bool)
HAVE = np.bincount(CODES)


def by_class(quota):
    return np.bincount(CODES, weights=quota, minlength=3).astype(int).tolist()


def test_copies():
    assert quotas.copies(np.array([True, False, True]), 3).tolist() == [3, 0, 3]


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.0, [0, 50, 57]), (1.5, [0, 30, 37]), (6.0, [0, 0, 7]), (20.0, [0, 0, 0])]
)
def test_rare_classes_are_made_up_to_the_ratio(ratio, expected):
    quota = quotas.to_ratio(IDS, CODES, ALL, ratio, 100, 0, HAVE)
    assert by_class(quota) == expected
    for code in (1, 2):  # its rows share alike
        assert np.ptp(quota[code == CODES]) <= 1


def test_no_row_has_more_than_the_most():
    quota = quotas.to_ratio(IDS, CODES, ALL, 1.0, 4, 0, HAVE)
    assert by_class(quota) == [0, 40, 12]
    assert quota.max() == 4


def test_rows_that_were_not_chosen_have_none():
    chosen = ALL & (np.arange(len(CODES)) % 2 == 0)
    quota = quotas.to_ratio(IDS, CODES, chosen, 1.5, 100, 0, HAVE)
    assert not quota[~chosen].any()
    assert by_class(quota) == [0, 30, 37]
    assert not quotas.to_ratio(IDS, CODES, CODES == 0, 1.5, 100, 0, HAVE).any()  # a rare class without parents


def test_children_that_are_there_count():
    grown = np.array([60, 40, 33])
    assert by_class(quotas.to_ratio(IDS, CODES, ALL, 1.5, 100, 0, grown)) == [0, 0, 7]


def test_at_most_keeps_the_shares_of_the_classes():
    quota = np.full(len(CODES), 10)
    cut = quotas.at_most(quota, IDS, CODES, 73, 0)
    assert by_class(cut) == [60, 10, 3]
    assert np.ptp(cut) <= 1
    assert quotas.at_most(quota, IDS, CODES, 7, 0).sum() == 7
    assert (quotas.at_most(quota, IDS, CODES, 730, 0) == quota).all()
    uneven = np.where(CODES == 0, 1, 3)
    cut = quotas.at_most(uneven, IDS, CODES, 50, 0)
    assert cut.sum() == 50
    assert (cut <= uneven).all()


def test_order_plays_no_part_and_the_seed_decides():
    order = np.random.default_rng(0).permutation(len(IDS))
    ids = [IDS[i] for i in order]
    quota = quotas.to_ratio(IDS, CODES, ALL, 1.7, 100, 3, HAVE)
    again = quotas.to_ratio(ids, CODES[order], ALL, 1.7, 100, 3, HAVE)
    assert (again == quota[order]).all()
    cut, cut_again = quotas.at_most(quota, IDS, CODES, 20, 3), quotas.at_most(again, ids, CODES[order], 20, 3)
    assert (cut_again == cut[order]).all()
    assert (quotas.at_most(quota, IDS, CODES, 20, 4) != cut).any()
