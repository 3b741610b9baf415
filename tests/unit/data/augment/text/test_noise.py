import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data.augment import run, strategy
from toolkit.data.augment.text import METHODS, MODALITY, PRESETS, noise
from toolkit.data.text import tokens

ENGLISH = "Hello, the good old Shop has a BIG problem: my quick order of $3.50 didn’t arrive (yet) from 2019!"
CHINESE = "你好，我觉得这个商品的质量很好，但是快递太慢了，希望尽快解决这个问题！谢谢👍"
LATIN = ("keyboard", "ocr", "spelling", "char_insert")
BOTH = ("char_swap", "char_delete")


def apply(method, text, seed=0, alpha=0.2):
    return METHODS[method](tokens(text), random.Random(seed), alpha=alpha)


def edits(before, after):
    """(letters lost, letters that are new)."""
    a, b = Counter(before.lower()), Counter(after.lower())
    return sum((a - b).values()), sum((b - a).values())


@pytest.mark.parametrize(
    ("method", "lost", "new"),
    [("keyboard", 1, 1), ("ocr", 1, 1), ("char_swap", 0, 0), ("char_delete", 1, 0), ("char_insert", 0, 1)],
)
def test_a_slip_is_one_letter(method, lost, new):
    found = {apply(method, "blocks", seed) for seed in range(40)} - {"blocks"}
    assert len(found) > 1
    for out in found:
        assert edits("blocks", out) == (lost, new)


def test_a_key_is_a_neighbour():
    found = {apply("keyboard", "tttt", seed).replace("t", "") for seed in range(40)}
    assert found
    assert found <= set("rfgyhe")


def test_a_scanner_takes_l_for_one():
    assert apply("ocr", "llll", 1).replace("l", "") == "1"


def test_misspellings_are_seen_ones_and_no_words():
    known = noise._spelling().model.dict
    found = {apply("spelling", "because", seed) for seed in range(400)}
    assert found <= set(known["because"])
    assert "becuase" in found
    assert not found & {"cause", "when", "of"}
    assert apply("spelling", "Because")[0].isupper() or apply("spelling", "Because")[0] == "'"
    assert apply("spelling", "BECAUSE").isupper()
    assert apply("spelling", "xyzzy plugh") is None


@pytest.mark.parametrize("method", [*LATIN, *BOTH])
@pytest.mark.parametrize("seed", range(5))
def test_signs_numbers_and_the_number_of_words_stay(method, seed):
    out = apply(method, ENGLISH, seed)
    before, after = ENGLISH.split(" "), out.split(" ")
    assert len(before) == len(after)
    assert 1 <= sum(b != a for b, a in zip(before, after, strict=True)) <= 4  # a fifth of 19
    assert "$3.50" in out
    assert "2019" in out


@pytest.mark.parametrize("method", LATIN)
def test_latin_noises_pass_chinese_over(method):
    assert apply(method, CHINESE) is None
    assert apply(method, "我的 iPhone 手机很好，电池不好") is None


@pytest.mark.parametrize("method", BOTH)
def test_chinese_words_of_two_characters_slip_too(method):
    out = apply(method, CHINESE)
    assert out != CHINESE
    assert edits(CHINESE, out)[1] == 0
    assert out.count("，") == CHINESE.count("，")


@pytest.mark.parametrize("method", [*LATIN, *BOTH])
@pytest.mark.parametrize("text", ["the cat is on it", "好", "👍👍", "3 + 5", "2019 1234567", "", " \n"])
def test_nothing_to_slip_on(method, text):
    assert apply(method, text) is None


@pytest.mark.parametrize("method", [*LATIN, *BOTH])
def test_noise_reaches_its_share_of_a_long_text(method):
    """nlpaug by itself stops at ten words."""
    text = " ".join(["something"] * 400)
    changed = sum(word != "something" for word in apply(method, text, alpha=0.25).split(" "))
    assert 85 <= changed <= 100


@pytest.mark.parametrize("method", [*LATIN, *BOTH])
def test_a_hundred_thousand_words(method):
    text = "people " * 100_000
    out = apply(method, text, alpha=0.001)
    assert out != text
    assert abs(len(out) - len(text)) < 400


@pytest.mark.parametrize("method", [*LATIN, *BOTH])
def test_the_generator_given_decides_and_the_global_ones_stay(method):
    random.seed(1)
    np.random.seed(1)
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    one = [apply(method, ENGLISH, seed) for seed in range(8)]
    assert random.getstate() == state
    assert (np.random.get_state()[1] == numpy_state).all()
    random.seed(2)
    np.random.seed(2)
    assert [apply(method, ENGLISH, seed) for seed in range(8)] == one
    assert len(set(one)) > 2


def test_every_process_misspells_alike():
    """nlpaug's lists come out of sets, whose order the hash seed of a process decides."""
    assert all(errors == sorted(errors) for errors in noise._spelling().model.dict.values())


def test_the_preset_has_noise_for_both_languages():
    for text in (ENGLISH, CHINESE):
        able = [name for name in PRESETS["noise"] if apply(name, text) is not None]
        share = sum(PRESETS["noise"][name] for name in able) / sum(PRESETS["noise"].values())
        assert share >= 0.6


def children(order, workers):
    texts = {"r0": ENGLISH, "r1": CHINESE, "r2": "👍👍", "r3": "because people like it", "r4": "这个问题还没有解决"}
    rows = pa.table({"id": order, "text": [texts[i] for i in order]})
    draws = strategy.parse(PRESETS["noise"], METHODS, "p", "preset")
    modality = MODALITY(rows, None, draws, {"min_similarity": 0.3})
    found = list(run.children(modality, order, [4] * len(order), set(), seed=0, workers=workers))
    return {(order[c.row], c.copy, c.made.method, c.made.value) for block, _ in found for c in block}


@pytest.mark.parametrize("workers", [1, 2])
def test_order_and_workers_play_no_part(workers):
    one = children(["r0", "r1", "r2", "r3", "r4"], 1)
    assert children(["r4", "r2", "r1", "r0", "r3"], workers) == one
    assert {row for row, *_ in one} == {"r0", "r1", "r3", "r4"}
