"""Wrong labels among right ones: which are found, how sure, and what the mathematics rests on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from toolkit.data import noise
from toolkit.errors import ToolkitError

WORDS = {
    "en": (["ticket train platform", "recipe oven flour", "guitar song stage"], ["please", "today", "again", "maybe"]),
    "zh": (["火车票改签站台", "烤箱面粉食谱", "吉他歌曲舞台"], ["请问", "今天", "再次", "可能"]),
}


def texts_of(codes, language="en", seed=0):
    rng, (topics, fillers) = np.random.default_rng(seed), WORDS[language]
    own = [topics[c].split() if language == "en" else list(topics[c]) for c in codes]
    gap = " " if language == "en" else ""
    return [gap.join(rng.permutation([*rng.choice(words, 2), *rng.choice(fillers, 3)])) for words in own]


def vectors_of(codes, apart=3.0, seed=0):
    """A Gaussian cloud around each class's place."""
    rng = np.random.default_rng(seed)
    return (apart * np.eye(6)[codes] + rng.standard_normal((len(codes), 6))).astype(np.float32)


def flipped(codes, share, seed=1):
    """Labels of which a share was moved to another class, and which."""
    rng, classes = np.random.default_rng(seed), codes.max() + 1
    wrong = np.zeros(len(codes), dtype=bool)
    wrong[rng.permutation(len(codes))[: round(share * len(codes))]] = True
    return np.where(wrong, (codes + rng.integers(1, classes, len(codes))) % classes, codes), wrong


def f1(flagged, wrong):
    return 2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum())


CODES = np.arange(600) % 3


@pytest.mark.parametrize("language", ["en", "zh"])
def test_wrong_labels_of_texts(language):
    labels, wrong = flipped(CODES, 0.1)
    found = noise.find(labels, texts=texts_of(CODES, language))
    assert f1(found["flagged"], wrong) > 0.93
    assert (found["suggested"][wrong] == CODES[wrong]).mean() > 0.93
    assert (found["suggested"] != labels).all()
    assert found["content"] == "n-grams"
    assert found["scored"].all()
    assert abs(found["share"]["value"] - 0.1) < 0.02
    assert found["precision"]["low"] <= wrong[found["flagged"]].mean() <= found["precision"]["high"]
    assert (found["flagged"] == (found["p_wrong"] >= found["threshold"])).all()


@pytest.mark.parametrize(("share", "least"), [(0.05, 0.75), (0.2, 0.85)])
def test_wrong_labels_of_vectors(share, least):
    labels, wrong = flipped(CODES, share)
    found = noise.find(labels, vectors=vectors_of(CODES))
    assert found["content"] == "vectors"
    assert f1(found["flagged"], wrong) > least
    for figure, truth in ((found["precision"], wrong[found["flagged"]].mean()), (found["share"], share)):
        assert figure["low"] <= truth <= figure["high"]


@pytest.mark.parametrize("given", [{"texts": texts_of(CODES)}, {"vectors": vectors_of(CODES, 6.0)}])
def test_right_labels_are_left_alone(given):
    found = noise.find(CODES, **given)
    assert found["flagged"].sum() <= 1
    assert found["share"]["value"] < 0.005
    assert (found["precision"] is None) == (not found["flagged"].any())


def test_labels_that_nothing_tells_are_left_alone():
    labels = np.random.default_rng(0).integers(0, 3, 600)
    assert noise.find(labels, vectors=vectors_of(np.zeros(600, int)))["flagged"].mean() < 0.02
    assert not noise.find(labels, texts=["one text"] * 600)["flagged"].any()


def test_several_rates_of_error():
    """One class is wrong often, the others never: the estimated rates differ."""
    labels, wrong = flipped(CODES, 0.3)
    labels, wrong = np.where(CODES == 0, labels, CODES), wrong & (CODES == 0)
    found = noise.find(labels, vectors=vectors_of(CODES, 4.0))
    assert f1(found["flagged"], wrong) > 0.85
    assert found["share"]["low"] <= wrong.mean() <= found["share"]["high"]


def test_vectors_join_texts_only_where_they_help():
    labels, wrong = flipped(CODES, 0.1)
    texts = texts_of(CODES)
    assert noise.find(labels, texts=texts, vectors=vectors_of(CODES * 0, 0))["content"] == "n-grams"
    blurred = [text.split()[0] for text in texts]
    both = noise.find(labels, texts=blurred, vectors=vectors_of(CODES, 6.0))
    assert both["content"] == "n-grams and vectors"
    assert f1(both["flagged"], wrong) > f1(noise.find(labels, texts=blurred)["flagged"], wrong)


def test_the_same_rows_give_the_same():
    labels, _ = flipped(CODES, 0.1)
    first, again = (noise.find(labels, texts=texts_of(CODES), seed=5) for _ in range(2))
    for name in ("p_wrong", "suggested", "flagged"):
        assert np.array_equal(first[name], again[name])
    assert (first["precision"], first["threshold"]) == (again["precision"], again["threshold"])


def test_rows_of_a_group_never_judge_each_other():
    """Each text stands there twice with the same random label: its copy would vouch for it."""
    labels = np.repeat(np.random.default_rng(0).integers(0, 2, 150), 2)
    texts = [f"{chr(97 + i % 26)}{i}" for i in np.repeat(np.arange(150), 2)]
    groups = np.repeat(np.arange(150), 2)
    scores, _ = seen(labels, texts, np.arange(300))
    apart, _ = seen(labels, texts, groups)
    each = np.arange(300)
    assert (scores[each, labels] > scores[each, 1 - labels]).mean() > 0.85
    assert (apart[each, labels] > apart[each, 1 - labels]).mean() < 0.6
    sure, unsure = (noise.find(labels, texts=texts, groups=g)["share"]["high"] for g in (None, groups))
    assert sure < 0.05 < 0.1 < unsure


def seen(labels, texts, groups):
    fold = noise.crossfit.folds(labels, groups, 5, 0)
    return noise._scores(np.arange(len(labels)), labels, fold, np.ones(len(labels), bool), texts, None, 0)


def test_rare_classes_and_rows_without_a_label():
    labels, _ = flipped(CODES, 0.1)
    labels[:4] = 3  # four rows for five folds
    labels[4:10] = -1
    found = noise.find(labels, vectors=vectors_of(CODES))
    assert found["rare"].tolist() == [3]
    assert not found["scored"][:10].any()
    assert found["scored"][10:].all()
    assert not found["flagged"][:10].any()
    assert not found["p_wrong"][:10].any()
    assert np.array_equal(found["suggested"][:10], labels[:10])
    assert set(found["suggested"][10:]) <= {0, 1, 2}
    labels[4] = 3  # five are enough
    found = noise.find(labels, vectors=vectors_of(CODES))
    assert (found["scored"].sum(), len(found["rare"])) == (595, 0)
    # eight copies of one text are one group, and no class to learn from
    groups = np.arange(600)
    labels[:8], groups[:8] = 3, 0
    assert noise.find(labels, vectors=vectors_of(CODES), groups=groups)["rare"].tolist() == [3]


def test_rows_that_are_only_judged():
    """What is not of train teaches nothing: with labels all wrong it changes no score, and is found out."""
    labels, _ = flipped(CODES, 0.05)
    train = CODES * 0 + np.arange(600) < 500
    labels[~train] = np.where(np.arange(100) % 4, CODES[~train], (CODES[~train] + 1) % 3)
    found = noise.find(labels, vectors=vectors_of(CODES, 5.0), train=train)
    bad = labels != CODES
    assert f1(found["flagged"][~train], bad[~train]) > 0.9
    assert f1(found["flagged"][train], bad[train]) > 0.9
    nowhere = labels.copy()
    nowhere[train] = np.where(labels[train] == 2, 0, labels[train])
    assert noise.find(nowhere, vectors=vectors_of(CODES), train=train)["scored"].sum() == (nowhere < 2).sum()


def test_more_rows_than_are_learned_from(monkeypatch):
    labels, wrong = flipped(CODES, 0.1)
    whole = noise.find(labels, texts=texts_of(CODES))
    monkeypatch.setattr(noise, "MOST", 300)
    monkeypatch.setattr(noise, "BLOCK", 17)
    monkeypatch.setattr(noise, "CELLS", 900)  # 300 rows of three classes
    part = noise.find(labels, texts=texts_of(CODES))
    assert f1(part["flagged"], wrong) > 0.9
    assert np.abs(part["p_wrong"] - whole["p_wrong"]).mean() < 0.05


@pytest.mark.parametrize(
    ("labels", "given", "told"),
    [
        (CODES * 0, {"texts": ["a"] * 600}, "two classes of 5 rows"),
        (CODES, {"texts": ["a"] * 600, "train": np.arange(600) < 10}, "two classes of 5 rows"),
        (CODES, {"texts": ["a"] * 600, "folds": 300}, "two classes of 300 rows"),
        (CODES * 0 - 1, {"texts": ["a"] * 600}, "two classes of 5 rows"),
        (CODES, {"texts": ["a"] * 600, "groups": CODES}, "two classes of 5 rows"),
        (CODES, {}, "nothing to learn from"),
    ],
)
def test_too_little(labels, given, told):
    with pytest.raises(ToolkitError, match=told):
        noise.find(labels, **given)


def test_scores_become_logarithms():
    scores = np.array([-1e6, -0.5, 0.0, 0.5, 0.9], np.float32)
    found = noise._logarithm(scores)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(-0.5 / noise.SOFT, rel=0.01)
    assert found[4] - found[3] == pytest.approx(np.log(0.9 / 0.5), rel=0.01)
    assert (np.diff(found) > 0).all()


def drawn(classes=4, rows=40, seed=0):
    rng = np.random.default_rng(seed)
    theta = np.r_[0.3, -2.0, rng.normal(0, 0.5, 2 * classes)]
    return theta, rng.normal(0, 1, (rows, classes)), rng.integers(0, classes, rows)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_gradient_of_the_likelihood(classes):
    theta, scores, labels = drawn(classes)
    value, gradients = noise._likelihood(theta, scores, labels)
    assert gradients.shape == (40, len(theta))
    near = approx_fprime(theta, lambda t: noise._likelihood(t, scores, labels)[0], 1e-6)
    assert np.allclose(gradients.sum(0), near, atol=1e-3)
    one = sum(noise._likelihood(theta, scores[i : i + 1], labels[i : i + 1])[0] for i in range(40))
    assert one == pytest.approx(value)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_slopes_of_the_estimate(classes):
    theta, scores, labels = drawn(classes)

    def total(t):
        return noise.judge(noise.Fit(t, None), scores, labels)[0].sum()

    assert np.allclose(noise._slopes(theta, scores, labels), approx_fprime(theta, total, 1e-6), atol=1e-3)


def test_probabilities_of_labels():
    """Of all labels that a row may have, the probabilities add up to 1."""
    theta, scores, _ = drawn(3)
    evidence = [noise._posterior(theta, scores, np.full(40, k))[2] for k in range(3)]
    assert np.allclose(sum(evidence), 1)


def test_parameters_are_found_again():
    """Labels drawn from the model itself: rates within three standard errors, judgements that hold what they say."""
    rng, classes, count = np.random.default_rng(3), 3, 6000
    theta = np.r_[np.log(2.0), -2.0, 0.1, -0.1, 0.0, 0.4, 0.0, -0.4]
    scores = rng.normal(0, 2, (count, classes))
    clean, _, _, rates = noise._posterior(theta, scores, np.zeros(count, int))
    codes = (rng.random((count, 1)) > clean.cumsum(1)).sum(1)
    wrong = rng.random(count) < rates[codes]
    labels = np.where(wrong, (codes + rng.integers(1, classes, count)) % classes, codes)
    fitted = noise.fit(scores, labels)
    error = np.sqrt(np.diag(fitted.covariance))
    assert (np.abs(fitted.theta - theta)[:2] < 3 * error[:2]).all()
    p_wrong, other = noise.judge(fitted, scores, labels)
    for low in (0.0, 0.3, 0.6):
        inside = (p_wrong >= low) & (p_wrong < low + 0.4)
        assert abs(p_wrong[inside].mean() - wrong[inside].mean()) < 0.05
    assert (other[wrong] == codes[wrong]).mean() > 0.8
    told = noise.estimate(fitted, scores, labels, p_wrong)
    assert told["low"] < wrong.mean() < told["high"]


def test_the_fit_is_the_likeliest_with_its_priors():
    _, scores, labels = drawn(3, 300)
    scores[np.arange(300), labels] += 2 * (np.arange(300) % 9 > 0)
    fitted = noise.fit(scores, labels)
    centre, spread = (
        np.r_[0, noise.COMMON[0], [0] * 6],
        [1e9, noise.COMMON[1], *[noise.OFFSET] * 3, *[noise.SPREAD] * 3],
    )

    def likely(theta):
        return noise._likelihood(theta, scores, labels)[0] - (((theta - centre) / spread) ** 2).sum() / 2

    steps = np.vstack([0.03 * np.eye(8), -0.03 * np.eye(8)])
    assert max(likely(fitted.theta + step) for step in steps) < likely(fitted.theta)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_what_is_flagged_has_the_greatest_expected_f1(values):
    p_wrong = np.array(values)
    flagged, threshold = noise.choose(p_wrong)
    assert np.array_equal(flagged, p_wrong >= threshold)
    assert threshold >= noise.LEAST
    total, ordered = p_wrong.sum(), np.sort(p_wrong)[::-1]
    expected = [2 * ordered[:k].sum() / (k + total) for k in range(1, len(ordered) + 1)]
    if threshold > noise.LEAST and total:
        assert 2 * p_wrong[flagged].sum() / (flagged.sum() + total) == pytest.approx(max(expected))


def test_an_estimate_and_its_interval():
    theta, scores, labels = drawn(rows=400)
    scores[np.arange(300), labels[:300]] += 8  # most labels are plainly right
    sure = noise.Fit(theta, np.zeros((len(theta), len(theta))))
    unsure = noise.Fit(theta, np.eye(len(theta)) / 100)
    p_wrong = noise.judge(sure, scores, labels)[0]
    narrow, wide = (noise.estimate(fitted, scores, labels, p_wrong) for fitted in (sure, unsure))
    assert narrow["value"] == wide["value"] == pytest.approx(p_wrong.mean())
    assert 0 < wide["low"] < narrow["low"] < narrow["value"] < narrow["high"] < wide["high"] < 1
    least = np.hypot(noise.MODEL_ERROR, 400**-0.5) * (p_wrong * (1 - p_wrong)).mean()
    assert narrow["high"] - narrow["value"] > noise.LEVEL * least
    assert noise.estimate(sure, scores[:0], labels[:0], p_wrong[:0]) is None
