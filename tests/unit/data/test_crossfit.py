"""Folds, features and ridge regression behind the label noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from toolkit.data import crossfit

ENGLISH = ["the cat sat on the mat", "a dog barked at the moon", "the cat saw a dog", "moon over the mat"]
CHINESE = ["股票大涨，投资者高兴", "今天天气很好，去公园", "股票下跌", "公园里的天气"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def encoded(texts=None, vectors=None):
    rows = np.arange(len(texts) if texts is not None else len(vectors))
    encoder = crossfit.Encoder(texts, vectors, rows, 0)
    return encoder, encoder.parts(rows)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25)), min_size=20, max_size=80), st.integers(2, 5))
def test_folds_keep_groups_together_and_none_is_empty(pairs, count):
    codes, groups = np.array(pairs).T
    fold = crossfit.folds(codes, groups, count, 0)
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1
    filled = min(count, len(np.unique(groups)))
    assert np.array_equal(np.unique(fold), np.arange(filled))


def test_the_numbers_of_groups_play_no_part():
    codes, groups = np.arange(60) % 3, np.arange(60) // 2
    other = np.random.default_rng(0).permutation(60)[groups]
    assert np.array_equal(crossfit.folds(codes, groups, 5, 0), crossfit.folds(codes, other, 5, 0))


def test_folds_spread_classes_evenly():
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [200, 53, 5]))
    fold = crossfit.folds(codes, np.arange(258), 5, 3)
    counts = np.stack([np.bincount(fold[codes == k], minlength=5) for k in range(3)])
    assert (np.ptp(counts, 1) <= 1).all()
    assert counts[2].tolist() == [1] * 5
    assert np.array_equal(fold, crossfit.folds(codes, np.arange(258), 5, 3))
    assert not np.array_equal(fold, crossfit.folds(codes, np.arange(258), 5, 4))


def test_regression_is_ridge_with_centred_targets(monkeypatch):
    monkeypatch.setattr(crossfit, "RESIDUE", 1e-6)
    monkeypatch.setattr(crossfit, "STEPS", 500)
    left, right, targets = normal(60, 8), normal(60, 5, seed=1), normal(60, 70, seed=2)  # more classes than a block
    weights, mean = crossfit.fit([left, right], targets, 1.5)
    plain = Ridge(alpha=1.5, fit_intercept=False).fit(np.hstack([left, right]), targets - targets.mean(0))
    assert np.allclose(np.vstack(weights), plain.coef_.T, atol=1e-4)
    new = [normal(7, 8, seed=3), normal(7, 5, seed=4)]
    assert np.allclose(
        crossfit.predict((weights, mean), new), plain.predict(np.hstack(new)) + targets.mean(0), atol=1e-4
    )
    alike, _ = crossfit.fit([csr_array(left), right], targets, 1.5)
    assert np.allclose(alike[0], weights[0], atol=1e-5)


def test_the_steps_that_are_taken_are_enough():
    parts, targets = [normal(300, 40) / 6], np.eye(4, dtype=np.float32)[np.arange(300) % 4]
    weights, _ = crossfit.fit(parts, targets, 1.5)
    exact = Ridge(alpha=1.5, fit_intercept=False).fit(parts[0], targets - targets.mean(0)).coef_.T
    assert np.abs(parts[0] @ (weights[0] - exact)).max() < 0.02


def test_targets_without_spread_stop_at_once():
    weights, mean = crossfit.fit([normal(20, 3)], np.ones((20, 2), np.float32), 1.0)
    assert not weights[0].any()
    assert np.array_equal(crossfit.predict((weights, mean), [normal(4, 3)]), np.ones((4, 2)))


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, [*ENGLISH, *CHINESE, ""]])
def test_texts_have_unit_length_and_are_told_apart(texts):
    encoder, (grams,) = encoded(texts)
    assert encoder.names == ["n-grams"]
    assert grams.dtype == np.float32
    alike = (grams @ grams.T).toarray()
    assert np.allclose(np.diag(alike), 1, atol=1e-5)
    assert (alike - np.eye(len(texts))).max() < 0.99
    assert alike[0, 2] > alike[1, 2] - 1e-6  # one subject


def test_case_plays_no_part_and_place_does():
    texts = ["Cat dog", "cat DOG", "dog cat"]
    alike = (lambda grams: (grams @ grams.T).toarray())(encoded(texts)[1][0])
    assert alike[0, 1] == pytest.approx(1, abs=1e-5)
    assert alike[0, 2] < 0.9


def test_texts_without_anything():
    _, (grams,) = encoded(["", "", ""])
    assert np.allclose((grams @ grams.T).toarray(), 1)
    encoder, _ = encoded(ENGLISH)
    encoder.texts = ["", "ЖЩ"]
    assert np.isfinite(encoder.parts(np.arange(2))[0].toarray()).all()


def test_long_texts_are_cut(monkeypatch):
    monkeypatch.setattr(crossfit, "CHARACTERS", 0)
    monkeypatch.setattr(crossfit, "LONGEST", 100)
    texts = ["word " * 20 + tail for tail in ("one", "two", "three")]
    _, (grams,) = encoded(texts)
    assert np.allclose((grams @ grams.T).toarray(), 1)


def test_vectors_approximate_a_gaussian_kernel():
    vectors = normal(50, 6)
    encoder, (features,) = encoded(vectors=vectors)
    assert encoder.names == ["vectors"]
    distances = ((vectors[:, None] - vectors) ** 2).sum(2)
    kernel = np.exp(-2 * distances / np.median(distances[distances > 0]))
    assert np.abs(features @ features.T - kernel).max() < 1e-3


def test_blocks_of_vectors_change_nothing(monkeypatch):
    vectors = normal(50, 6)
    whole = encoded(vectors=vectors)[1][0]
    monkeypatch.setattr(crossfit, "BLOCK", 7)
    assert np.allclose(whole, encoded(vectors=vectors)[1][0], atol=1e-6)


def test_missing_numbers_count_as_the_mean():
    vectors = normal(40, 3)
    vectors[:, 2] = np.nan
    vectors[::7, 0] = np.nan
    vectors[3, 1] = np.inf
    filled = vectors.copy()
    filled[:, 2] = 0
    filled[~np.isfinite(filled[:, 0]), 0] = filled[np.isfinite(filled[:, 0]), 0].mean()
    filled[3, 1] = filled[np.isfinite(filled[:, 1]), 1].mean()
    assert np.allclose(encoded(vectors=vectors)[1][0], encoded(vectors=filled)[1][0], atol=1e-4)


@pytest.mark.parametrize("vectors", [np.ones((1100, 3), np.float32), np.zeros((9, 0)), np.full((9, 2), np.nan)])
def test_vectors_that_say_nothing(vectors):
    _, (features,) = encoded(vectors=vectors)
    assert np.allclose(features, features[0], atol=1e-3)
    assert np.isfinite(features).all()


def test_only_the_rows_given_are_learned_from():
    vectors, train = normal(30, 4), np.arange(10, 30)
    vectors[15, 0] = np.nan
    other = vectors.copy()
    other[:10] = 100
    texts = [f"word{i % 3} text" for i in range(30)]
    strange = [*["something else"] * 10, *texts[10:]]
    learned = [crossfit.Encoder(t, v, train, 0) for t, v in ((texts, vectors), (strange, other))]
    for a, b in zip(*(encoder.parts(train) for encoder in learned), strict=True):
        assert abs(a - b).max() == 0
