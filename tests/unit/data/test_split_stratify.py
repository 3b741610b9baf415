"""Division by class: several classes a row, folds, clusters, sizes, and what the result may not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data.split import stratify
from toolkit.data.split.classes import Labels

SHARES = [0.8, 0.1, 0.1]


def single(codes):
    return Labels(np.arange(len(codes) + 1), np.asarray(codes, np.int64))


def several(rows):
    return Labels(np.concatenate([[0], np.cumsum([len(row) for row in rows])]), np.concatenate(rows).astype(np.int64))


def random_rows(count, classes, seed=0):
    """Rows of one to four classes; of the classes the first are common, the last rare."""
    rng = np.random.default_rng(seed)
    weight = 1 / np.arange(1, classes + 1)
    return [rng.choice(classes, rng.integers(1, 5), replace=False, p=weight / weight.sum()) for _ in range(count)]


def cells(labels, where, parts):
    """(parts, classes) rows."""
    out = np.zeros((parts, labels.codes.max() + 1))
    np.add.at(out, (where[labels.owner], labels.codes), 1)
    return out


def torn(clusters, where):
    return len({*zip(clusters.tolist(), where.tolist(), strict=True)}) - len(set(clusters.tolist()))


@pytest.mark.parametrize("shares", [SHARES, [0.2] * 5])
@pytest.mark.parametrize("clustered", [False, True])
def test_rows_of_several_classes(shares, clustered):
    labels = several(random_rows(2000, 12))
    clusters = np.arange(2000)
    if clustered:
        clusters[:600] //= 3
    where = stratify.divide(labels, clusters, shares, seed=0)
    found = cells(labels, where, len(shares))
    assert np.abs(found - np.outer(shares, found.sum(0))).max() < (4 if clustered else 2)
    assert np.abs(np.bincount(where) / 2000 - shares).max() <= 0.01
    assert not torn(clusters, where)


def test_the_rarest_class_is_divided_first():
    """With whatever comes first, the three rows of the rare class could all follow their common one into train."""
    labels = several([[0]] * 94 + [[0, 1]] * 6)
    where = stratify.divide(labels, np.arange(100), [0.5, 0.5], seed=3)
    assert cells(labels, where, 2).tolist() == [[50, 3], [50, 3]]


@pytest.mark.parametrize("kind", [single, several])
def test_the_order_of_rows_plays_no_part_once_they_are_sorted_by_id(kind):
    rng = np.random.default_rng(1)
    rows = random_rows(400, 6) if kind is several else rng.integers(0, 6, 400)
    clusters = np.where(rng.random(400) < 0.3, rng.integers(0, 50, 400), 1000 + np.arange(400))
    one = stratify.divide(kind(rows), clusters, SHARES, seed=5)
    renumbered = np.random.default_rng(2).permutation(clusters.max() + 1)[clusters]
    assert (stratify.divide(kind(rows), renumbered, SHARES, seed=5) == one).all()
    assert (stratify.divide(kind(rows), clusters, SHARES, seed=6) != one).any()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=80),
    st.sampled_from([SHARES, [0.25] * 4, [0.0, 1.0], [0.9, 0.0, 0.1]]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_row_gets_a_part_and_no_cluster_is_torn(rows, shares, twice):
    codes, clusters = map(np.array, zip(*rows, strict=True))
    labels = several([[c, c + 1] for c in codes]) if twice else single(codes)
    where = stratify.divide(labels, clusters, shares, seed=0, must=[0])
    assert len(where) == len(rows)
    assert not torn(clusters, where)
    assert set(where.tolist()) <= {k for k, share in enumerate(shares) if share}
    if shares[0]:
        assert (cells(labels, where, len(shares))[0] > 0).sum() == len(set(labels.codes.tolist()))


def test_groups_of_one_class_each_still_come_out_by_rows():
    """Where whole classes hang together, the sizes of the parts are mended by moving what costs least."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 40, 120)
    clusters, codes = np.repeat(np.arange(120), sizes), np.repeat(rng.integers(0, 30, 120), sizes)
    where = stratify.divide(single(codes), clusters, SHARES, seed=0, must=[0])
    assert np.abs(np.bincount(where) / len(codes) - SHARES).max() <= 0.01
    assert not torn(clusters, where)


def test_a_huge_cluster_is_made_up_for_by_the_other_classes():
    """A class that is one cluster goes to train whole: of the others train gets less, or its size would be off."""
    codes = np.array([0] * 300 + [1] * 350 + [2] * 350)
    clusters = np.array([0] * 300 + list(range(1, 701)))
    where = stratify.divide(single(codes), clusters, SHARES, seed=0, must=[0])
    assert np.abs(np.bincount(where) / 1000 - SHARES).max() <= 0.01
    found = cells(single(codes), where, 3)
    assert abs(found[:, 1] - found[:, 2]).max() <= 1


def test_a_fold_that_is_too_full_for_good_does_not_keep_the_others_from_coming_out():
    rng = np.random.default_rng(4)
    sizes = np.array([400, *rng.integers(1, 60, 40)])
    clusters, codes = np.repeat(np.arange(41), sizes), np.repeat([0, *rng.integers(0, 5, 40)], sizes)
    where = stratify.divide(single(codes), clusters, [0.2] * 5, seed=0)
    rest = np.bincount(np.delete(where, np.flatnonzero(where == where[0])), minlength=5)
    rest = rest[np.arange(5) != where[0]]
    assert set(np.flatnonzero(where == where[0]).tolist()) == set(range(400))
    assert np.ptp(rest) <= 0.02 * len(codes)


@pytest.mark.parametrize("shares", [[0.9, 0.1], SHARES, [0.2] * 5])
def test_groups_as_large_as_a_part_change_places(shares):
    """Where no group can move alone without making the sizes worse, two do together."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        sizes = rng.integers(15, 60, 25)
        clusters = np.repeat(np.arange(25), sizes)
        where = stratify.divide(single(rng.integers(0, 3, len(clusters))), clusters, shares, seed=0, must=[0])
        assert np.abs(np.bincount(where) / len(clusters) - shares).max() <= 0.01
        assert not torn(clusters, where)


def test_classes_of_one_row_are_all_in_train_and_a_large_class_makes_up_for_it():
    codes = np.array([*range(100), *[100] * 100])
    where = stratify.divide(single(codes), np.arange(200), [0.5, 0.5], seed=0, must=[0])
    assert set(where[:100].tolist()) == {0}
    assert np.abs(np.bincount(where) - 100).max() <= 2
    where = stratify.divide(several([[c, 101] for c in codes]), np.arange(200), [0.7, 0.3], seed=0, must=[0])
    assert np.abs(np.bincount(where) - [140, 60]).max() <= 2


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_no_fold_is_empty_or_lacks_a_class(folds):
    rng = np.random.default_rng(folds)
    codes = np.concatenate([np.repeat([0, 1, 2], folds), rng.integers(3, 6, 40 * folds)])
    clusters = np.arange(len(codes))
    clusters[3 * folds :] = 10_000 + rng.integers(0, 8 * folds, 40 * folds)
    where = stratify.divide(single(codes), clusters, [1 / folds] * folds, seed=0, must=range(folds))
    assert cells(single(codes), where, folds).min() >= 1
    assert not torn(clusters, where)


def test_a_class_that_a_fold_lacks_is_fetched_where_it_can_be_spared():
    """Groups of several classes: sizes alone would give fold 0 the two groups of class 0."""
    groups = {0: [0] * 5 + [1] * 5, 1: [0] * 5 + [2] * 5, 2: [1] * 5 + [2] * 5, 3: [1] * 2 + [2] * 2, 4: [0, 1, 2]}
    codes = np.concatenate([groups[g] for g in groups])
    clusters = np.repeat(list(groups), [len(g) for g in groups.values()])
    for seed in range(10):
        where = stratify.divide(single(codes), clusters, [0.5, 0.5], seed=seed, must=[0, 1])
        assert cells(single(codes), where, 2).min() >= 1


def test_the_class_that_hangs_together_is_in_train_even_if_train_is_not_the_largest():
    codes = np.array([0] * 5 + [1] * 95)
    clusters = np.array([0] * 5 + list(range(1, 96)))
    where = stratify.divide(single(codes), clusters, [0.2, 0.8], seed=0, must=[0])
    assert set(where[:5].tolist()) == {0}


def test_holders_counts_clusters():
    labels = several([[0, 1], [1], [0], [2]])
    assert labels.holders(np.array([7, 7, 8, 8])).tolist() == [2, 1, 1]
    assert labels.take(np.array([3, 0])).codes.tolist() == [2, 0, 1]
