import numpy as np
import pytest

from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin, weighting
from toolkit.training.config import Regularise
from toolkit.training.sampling import LengthGroupedBatches
from toolkit.training.tasks import bind

BALANCED = Regularise(class_weights="balanced")
NAMES = ["a", "b", "c"]


def weights(rows, wanted=BALANCED):
    return [row["weight"] for row in weighting.weighted(rows, wanted, NAMES)]


def rows(*labels):
    return [{"labels": label} for label in labels]


def test_balanced_classes_weigh_the_same_in_all():
    """scikit-learn's "balanced": rows / (classes x rows of the class)."""
    from sklearn.utils.class_weight import compute_sample_weight

    labels = [0] * 6 + [1] * 3 + [2]
    assert weights(rows(*labels)) == pytest.approx(compute_sample_weight("balanced", labels))


def test_no_weights_leave_the_rows_alone():
    given = rows(0, 1)
    assert weighting.weighted(given, Regularise(), NAMES) is given


def test_named_weights():
    found = weights(rows(0, 0, 1, 2), Regularise(weights={"b": 3.0, "c": 0.0}))
    assert np.mean(found) == pytest.approx(1)
    assert np.array(found) / found[0] == pytest.approx([1, 1, 3, 0])
    with pytest.raises(ToolkitError, match="no class 'bb': did you mean b"):
        weights(rows(0), Regularise(weights={"bb": 1.0}))


def test_weights_that_leave_no_row_are_refused():
    with pytest.raises(ToolkitError, match="give every row of train 0"):
        weighting.weighted(rows(0, 0, 1), Regularise(weights={"a": 0.0, "b": 0.0}), ["a", "b", "c"])


def test_mixtures_weigh_by_their_shares():
    """Class counts 2.25, 0.75 and 1: a row's weight is the mean of its classes' by its shares."""
    mixed = {"labels": 0, "label_weights": [0.25, 0.75, 0.0]}
    found = weights([*rows(0, 0, 2), mixed])
    a, c, both = found[0], found[2], found[3]
    assert c / a == pytest.approx(2.25)
    assert both / a == pytest.approx(0.25 + 0.75 * 2.25 / 0.75)


def test_rows_of_several_classes_weigh_as_their_mean_and_those_of_none_as_all():
    found = weights([{"labels": labels} for labels in ([0], [0], [0, 1], [])])
    assert np.mean(found) == pytest.approx(1)
    assert found[2] / found[0] == pytest.approx((0.5 * 1 / 2.5 + 0.5 * 1 / 0.5) / (1 / 2.5))
    assert found[3] == pytest.approx(np.mean(found[:3]))


def test_rows_without_classes_cannot_be_weighed():
    with pytest.raises(ToolkitError, match="no class weights"):
        weights([{"input_ids": [1]}])


def test_the_loss_is_the_mean_of_weighted_rows():
    made, tokenizer = builtin.build("builtin:text-tiny", ["a b c"] * 9, ["a", "b"], seed=0)
    task = bind("text-classification", TextReader(tokenizer, 16))
    made.eval()
    one, other = ({"input_ids": [2, 5, 6, 3], "labels": label} for label in (0, 1))
    first, second = (float(task.loss(made, task.collate([row]))[0]) for row in (one, other))
    both = float(task.loss(made, task.collate([one | {"weight": 0.5}, other | {"weight": 3.0}]))[0])
    assert both == pytest.approx((0.5 * first + 3 * second) / 2)
    soft = {"label_weights": [0.5, 0.5]}
    mixed = float(task.loss(made, task.collate([one | {"weight": 2.0} | soft]), smoothing=0.1)[0])
    assert mixed == pytest.approx(2 * float(task.loss(made, task.collate([one | soft]), smoothing=0.1)[0]))


LABELS = np.array([0] * 80 + [1] * 15 + [2] * 5)


@pytest.mark.parametrize(
    ("oversample", "shares"), [(1.0, [1 / 3] * 3), (0.5, [0.596, 0.258, 0.149]), (0.0, [0.8, 0.15, 0.05])]
)
def test_oversampling_shows_classes_by_a_power_of_their_size(oversample, shares):
    """n^(1 - x) of each class, and as many rows an epoch as before."""
    often = weighting.often(rows(*LABELS.tolist()), oversample, 3)
    sampler = LengthGroupedBatches(np.ones(100, dtype=int), 8, 0, often)
    drawn = np.array([i for batch in sampler for i in batch])
    assert len(drawn) == 100
    found = np.bincount(LABELS[drawn], minlength=3) / 100
    assert found == pytest.approx(shares, abs=0.02)
    if often is None:
        assert sorted(drawn) == list(range(100))
    else:
        counts = np.bincount(drawn, minlength=100)
        assert (np.abs(counts - often) < 1).all()  # as even as whole numbers can be


def test_oversampled_epochs_are_decided_by_seed_and_epoch():
    often = weighting.often(rows(*LABELS.tolist()), 0.7, 3)

    def drawn(seed, epoch):
        sampler = LengthGroupedBatches(np.arange(100) % 9 + 1, 8, seed, often)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert drawn(0, 1) == drawn(0, 1)
    assert drawn(0, 1) != drawn(0, 2)
    assert drawn(0, 1) != drawn(1, 1)
