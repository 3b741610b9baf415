import numpy as np
import pytest
from sklearn import metrics as reference

from toolkit.evaluation import metrics, ranking


def drawn(seed, width, rows, ties=False):
    """Labels and probabilities that know something of them; with `ties` few different scores."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(width), rng.integers(0, width, rows - width)])
    logits = rng.normal(size=(rows, width)) + 1.5 * (labels[:, None] == np.arange(width))
    return labels, metrics.softmax(logits.round() if ties else logits)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("width", "rows"), [(2, 10), (2, 300), (3, 100), (7, 400)])
def test_figures_are_those_of_scikit_learn(width, rows, ties):
    labels, probabilities = drawn(width * rows, width, rows, ties)
    scores = probabilities[:, 1] if width == 2 else probabilities
    found, each = ranking.measure(labels, probabilities)
    assert found["auc"]["value"] == pytest.approx(reference.roc_auc_score(labels, scores, multi_class="ovr"))
    hot = np.eye(width, dtype=int)[labels]
    expected = reference.average_precision_score(hot, probabilities, average=None)
    assert each["average_precision"]["value"] == pytest.approx(expected)
    assert found["average_precision"]["value"] == pytest.approx(expected.mean())
    assert each["auc"]["value"][0] == pytest.approx(reference.roc_auc_score(labels == 0, probabilities[:, 0]))


@pytest.mark.parametrize("ties", [False, True])
def test_variance_is_that_of_delong(ties):
    """DeLong et al. (1988), by all pairs: the variances of the mean wins of either side, each over its rows."""
    labels, probabilities = drawn(3, 2, 80, ties)
    score = probabilities[:, 1]
    ours, others = score[labels == 1][:, None], score[labels == 0][None]
    wins = (ours > others) + (ours == others) / 2
    expected = wins.mean(1).var(ddof=1) / len(wins) + wins.mean(0).var(ddof=1) / wins.shape[1]
    auc, influence = ranking.one(labels == 1, score)["auc"]
    assert auc == pytest.approx(wins.mean())
    assert np.square(influence).sum() == pytest.approx(expected)


@pytest.mark.parametrize("name", ranking.NAMES)
def test_influence_is_what_a_rows_weight_moves(name):
    labels, probabilities = drawn(5, 2, 60, ties=True)
    positive, score = labels == 1, probabilities[:, 1]
    measure = {"auc": reference.roc_auc_score, "average_precision": reference.average_precision_score}[name]
    value, influence = ranking.one(positive, score)[name]
    moved, small = np.empty(60), 1e-5
    for i in range(60):
        weights = np.ones(60)
        weights[i] += small
        moved[i] = (measure(positive, score, sample_weight=weights) - value) / small
    if name == "auc":  # ours is that of the unbiased variance
        count = np.where(positive, positive.sum(), 60 - positive.sum())
        moved *= np.sqrt(count / (count - 1))
    assert influence == pytest.approx(moved, abs=1e-5)


def test_the_mean_over_classes_holds_what_they_share():
    labels, probabilities = drawn(2, 5, 600)
    rng = np.random.default_rng(0)
    again = []
    for _ in range(150):
        rows = rng.integers(0, 600, 600)
        again.append(ranking.measure(labels[rows], probabilities[rows])[0])
    found, _ = ranking.measure(labels, probabilities)
    for name in ranking.NAMES:
        spread = np.std([figures[name]["value"] for figures in again])
        assert found[name]["high"] - found[name]["low"] == pytest.approx(3.92 * spread, rel=0.2), name


def test_scores_that_say_nothing_or_all():
    labels = np.arange(200) % 2
    nothing = ranking.measure(labels, np.full((200, 2), 0.5))[0]["auc"]
    assert nothing["low"] < nothing["value"] == 0.5 < nothing["high"]
    best = ranking.measure(labels, np.eye(2)[labels])[0]["auc"]
    assert 0.95 < best["low"] < best["value"] == best["high"] == 1
    assert ranking.measure(labels, np.eye(2)[1 - labels])[0]["auc"]["value"] == 0.0


@pytest.mark.parametrize("width", [2, 3])
def test_one_class_alone_has_neither(width):
    found, each = ranking.measure(np.ones(5, dtype=int), np.full((5, width), 1 / width))
    for name in ranking.NAMES:
        assert found[name] == {"value": None, "low": None, "high": None}
        assert np.isnan(each[name]["value"]).all()


def test_classes_that_do_not_occur_are_left_out():
    labels, probabilities = drawn(3, 3, 90)
    wider = np.hstack([probabilities, np.zeros((90, 1))])
    (found, each), (whole, _) = ranking.measure(labels, wider), ranking.measure(labels, probabilities)
    assert found == whole
    assert np.isnan(each["auc"]["value"][3])


def test_rows_of_several_classes():
    rng = np.random.default_rng(0)
    labels = rng.random((120, 4)) < 0.4
    labels[:, 3] = False
    probabilities = np.clip(labels * 0.3 + rng.random((120, 4)) * 0.7, 0, 1).round(1)
    found, _ = ranking.measure(labels, probabilities)
    assert found["auc"]["value"] == pytest.approx(reference.roc_auc_score(labels[:, :3], probabilities[:, :3]))
    expected = reference.average_precision_score(labels[:, :3], probabilities[:, :3])
    assert found["average_precision"]["value"] == pytest.approx(expected)
    labels[:, 0] |= ~labels.any(1)
    expected = reference.label_ranking_average_precision_score(labels, probabilities)
    assert ranking.label_ranking(labels, probabilities).mean() == pytest.approx(expected)
