import random

import pyarrow as pa
import pytest

from toolkit.data.augment import run, strategy
from toolkit.data.augment.text import MODALITY
from toolkit.data.augment.text.translation import back_translation
from toolkit.data.text import tokens
from toolkit.errors import ToolkitError


class Translate:
    """Beams by rote: the text itself, the text with signs, nothing, then numbered ones."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts, rounds, beams):
        self.asked.append((list(texts), rounds, beams))
        return [
            [text, f"{text}!", "", *(f"{text} way {k}" for k in range(beams - 3))] if text != "lost" else []
            for text in texts
        ]


def apply(texts, copies, **options):
    translate = options.pop("translate", None) or Translate()
    return back_translation(
        [tokens(text) for text in texts], [random.Random(0) for _ in texts], copies, translate=translate, **options
    )


def test_a_copy_takes_its_beam_of_those_that_say_it_otherwise():
    assert apply(["x y"] * 3, [0, 1, 2], beams=6) == ["x y way 0", "x y way 1", "x y way 2"]
    assert apply(["我喜欢猫"], [1], beams=5) == ["我喜欢猫 way 1"]


def test_copies_of_a_row_share_its_trips():
    translate = Translate()
    apply(["a b", "c d", "a b"], [0, 0, 1], rounds=2, beams=5, translate=translate)
    assert translate.asked == [(["a b", "c d"], 2, 5)]


def test_further_copies_search_wider_and_others_are_none_the_wiser():
    translate = Translate()
    found = apply(["a", "a", "b"], [0, 5, 0], beams=4, translate=translate)
    assert found == ["a way 0", None, "b way 0"]  # of eight beams three are no children
    assert translate.asked == [(["a", "b"], 3, 4), (["a"], 3, 8)]
    assert apply(["a"], [0], beams=4) == found[:1]


def test_nothing_comes_of_a_text_that_was_lost():
    assert apply(["lost", "a b"], [0, 0], beams=4) == [None, "a b way 0"]
    assert apply([], []) == []


def children(order, copies=2, workers=1):
    texts = {"r0": "one two", "r1": "three four", "r2": "lost", "r3": "我喜欢猫"}
    rows = pa.table({"id": order, "text": [texts[i] for i in order]})
    draws = [strategy.Draw("back_translation", 1.0, {"beams": 6}), strategy.Draw("random_swap", 1.0, {})]
    modality = MODALITY(rows, None, draws, {"min_similarity": 0.0, "translate": Translate()})
    found = list(run.children(modality, order, [copies] * len(order), set(), seed=0, workers=workers))
    return {(order[c.row], c.copy, c.made.method, c.made.value) for block, _ in found for c in block}


@pytest.mark.parametrize("workers", [1, 2])
def test_order_and_workers_play_no_part(workers):
    one = children(["r0", "r1", "r2", "r3"])
    assert children(["r3", "r1", "r2", "r0"], workers=workers) == one
    assert {method for _, _, method, _ in one} == {"back_translation", "random_swap"}


def test_it_needs_its_models():
    rows = pa.table({"id": ["a"], "text": ["x"]})
    with pytest.raises(ToolkitError, match="back_translation needs --forward and --backward"):
        MODALITY(rows, None, [strategy.Draw("back_translation", 1.0, {})], {"min_similarity": 0.0})
