"""Confusions, labels, confidence, changes and attribution."""

import io

import numpy as np
import pytest
from PIL import Image

from toolkit.evaluation import paired
from toolkit.evaluation.slices import attribution, changes, confidence, confusion, labels


def test_strata_part_all_rows():
    sure = np.array([0.2, 0.5, 0.7, 0.9, 0.91, 1.0, 0.49])
    found = confidence.strata(np.array([1, 1, 0, 0, 0, 1, 0], bool), sure)
    assert [(s["rows"], s["errors"]) for s in found] == [(2, 1), (3, 1), (2, 1)]
    assert [s["value"].split()[0] for s in found] == ["high", "middle", "low"]


def test_overconfidence_is_told_from_honesty():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 3000)
    assert confidence.overconfidence(rng.random(3000) > sure, sure) is None
    told = confidence.overconfidence(rng.random(3000) > sure - 0.1, sure)
    assert told["errors"] > told["expected"] > 0


def answers(rate, extra, rows=4000, classes=8, seed=0):
    """Labels and answers: each class wrong at `rate`, evenly; class 0 is taken for class 1 at `extra` besides."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, rows)
    said = np.where(rng.random(rows) < rate, (true + rng.integers(1, classes, rows)) % classes, true)
    said = np.where((true == 0) & (rng.random(rows) < extra), 1, said)
    return [f"c{i}" for i in true], [f"c{i}" for i in said]


def test_a_confusion_is_told_from_errors_in_general():
    found = confusion.pairs(*answers(0.2, 0.2), seed=0)
    assert [(c["label"], c["predicted"]) for c in found if confusion.beyond_chance(c)] == [("c0", "c1")]
    assert found[0]["errors"] == sum(t == "c0" and p == "c1" for t, p in zip(*answers(0.2, 0.2), strict=True))
    assert found[0]["share_of_label"]["value"] == pytest.approx(found[0]["errors"] / found[0]["rows"])
    assert not any(map(confusion.beyond_chance, confusion.pairs(*answers(0.2, 0), seed=0)))


def test_two_classes_have_no_other_to_be_taken_for():
    true, said = answers(0.2, 0.2, classes=2)
    found = confusion.pairs(true, said, seed=0)
    assert len(found) == 2
    assert not any(map(confusion.beyond_chance, found))
    assert all(c["expected"] == pytest.approx(c["errors"], rel=1e-3) for c in found)


def test_pairs_of_no_errors_and_of_several_classes():
    assert confusion.pairs(["a", "b"], ["a", "b"], 0) == []
    found = confusion.pairs([["a", "b"], ["a"], ["b"]], [["a"], ["a", "c"], ["b"]], 0)
    assert [(c["label"], c["predicted"], c["errors"], c["rows"]) for c in found] == [
        ("(extra)", "c", 1, 3), ("b", "(missed)", 1, 2)
    ]  # fmt: skip


def noisy(share, rows=3000, classes=6, seed=0):
    """A calibrated model's probabilities, labels drawn from them, and a share of these then replaced."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (rows, classes))
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    true = (chance.cumsum(1) > rng.random((rows, 1))).argmax(1)
    bad = rng.random(rows) < share
    told = np.where(bad, (true + rng.integers(1, classes, rows)) % classes, true)
    return told, chance, true


@pytest.mark.parametrize("sharper", [1.0, 3.0])
def test_wrong_labels_are_found_whether_the_model_is_calibrated_or_not(sharper):
    told, chance, true = noisy(0.08)
    sharp = chance**sharper / (chance**sharper).sum(1, keepdims=True)
    found = labels.find(told, sharp, np.ones(len(told), bool), 0)
    assert found["share"]["low"] < (told != true).mean() < found["share"]["high"]
    precision = (told != true)[found["flagged"]].mean()
    assert precision > 0.7
    assert found["precision"]["low"] < precision < found["precision"]["high"]
    assert found["flagged"][told != true].mean() > 0.5
    flagged = found["flagged"] & (told != true)
    assert (found["suggested"] == true)[flagged].mean() > 0.7


def test_no_wrong_labels_and_rows_that_are_not_judged():
    told, chance, _ = noisy(0)
    assert labels.find(told, chance, np.ones(len(told), bool), 0)["share"]["low"] == 0
    told, chance, _ = noisy(0.1)
    some = np.arange(len(told)) < 1500
    found = labels.find(told, chance, some, 0)
    assert not found["flagged"][1500:].any()
    assert (found["p_wrong"][1500:] == 0).all()
    assert found["flagged"][:1500].any()


def test_errors_that_are_left_when_unsure_ones_are_set_aside_are_no_wrong_labels():
    """A class within a cluster that the model is unsure of, found before, takes the errors that it is unsure of."""
    told, chance, _ = noisy(0, classes=2)
    wrong, sure = chance.argmax(1) != told, chance.max(1)
    judged = ~(wrong & (sure < 0.9))
    left = int((wrong & judged).sum())
    assert left > 30
    assert labels.find(told, chance, judged, 0)["flagged"].sum() < left / 5


@pytest.mark.parametrize("rows", [3, 60])
def test_too_few_rows_or_one_class_tell_nothing(rows):
    assert labels.find(np.zeros(rows, int), np.full((rows, 3), 1 / 3), np.ones(rows, bool), 0) is None


def test_wrong_labels_of_several_classes():
    rng = np.random.default_rng(0)
    chance = rng.beta(0.15, 0.15, (2000, 4))
    true = rng.random(chance.shape) < chance
    bad = rng.random(len(true)) < 0.1
    told = true.copy()
    told[bad, 0] ^= True
    found = labels.find_of_several(told, chance, np.ones(len(told), bool), 0)
    assert bad[found["flagged"]].mean() > 0.6
    assert found["flagged"][bad].mean() > 0.4
    hit = found["flagged"] & bad
    assert (found["suggested"][hit, 0] == true[hit, 0]).mean() > 0.8


def test_changes_of_the_same_rows():
    before, after = np.array([1, 1, 0, 0, 1], bool), np.array([0, 1, 0, 1, 0], bool)
    assert changes.counts(before, after) == {"fixed": 2, "broken": 1, "common": 1, "right_in_both": 1}
    assert paired.difference(before, after)["value"] == pytest.approx(-0.2)
    same = paired.difference(before, before)
    assert same["low"] < same["value"] == 0 < same["high"]


def test_newcombes_interval():
    """His example: 56/70 and 48/80, difference 0.2 (0.0524 to 0.3339) by method 10."""
    found = changes.unpaired((48, 80), (56, 70))
    assert [found[k] for k in ("value", "low", "high")] == pytest.approx([0.2, 0.0524, 0.3339], abs=1e-4)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.4, -0.1, "keep"), (-0.4, 0.1, "undecided"), (0.05, 0.2, "discard"), (-0.02, 0.2, "discard")],
)
def test_verdicts(low, high, expected):
    assert changes.verdict(0.5, {"value": 0.0, "low": low, "high": high}) == expected


def test_the_deciding_word_weighs_the_most():
    def ask(texts):
        return np.array([[0.9, 0.1] if "refund" in text else [0.2, 0.8] for text in texts])

    (parts,) = attribution.words(ask, ["I want a refund, now!"], [0])
    assert "".join(text for text, _ in parts) == "I want a refund, now!"
    assert [text for text, weight in parts if weight > 0.5] == ["refund"]
    for side in (0, 1):  # of a pair either text may decide
        (pair,) = attribution.words(
            lambda contents, side=side: ask([c[side] for c in contents]), [("a refund", "my refund")], [0]
        )
        assert "".join(text for text, _ in pair) == "a refund ‖ my refund"
        assert [i for i, (_, weight) in enumerate(pair) if weight > 0.5] == [(2, 6)[side]], pair
    long = " ".join(f"w{i}" for i in range(500)) + " refund"
    (many,) = attribution.words(ask, [long], [0])
    assert "".join(text for text, _ in many) == long
    assert max(many, key=lambda part: part[1])[0].endswith("refund")
    assert attribution.words(ask, [""], [0]) == [[]]


def test_the_deciding_square_is_found():
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[40:56, 12:36] = 255  # at the bottom on the left

    def ask(cells):
        light = [np.asarray(Image.open(io.BytesIO(c["bytes"])).convert("L"), float) for c in cells]
        white = np.array([(image > 250).mean() for image in light])
        return np.stack([white, 1 - white], 1)

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    cell = {"bytes": out.getvalue(), "path": None}
    (lost,) = attribution.regions(ask, [cell], [0])
    assert lost.shape == (7, 7)
    region = attribution.deciding(lost)
    assert (region["left"], region["top"], region["right"], region["bottom"]) == (0.125, 0.625, 0.375, 0.875)
    assert attribution.place(region) == "bottom left"
    (drawn,) = attribution.drawn([cell], [lost])
    assert Image.open(io.BytesIO(drawn["bytes"])).size == (144, 96)
