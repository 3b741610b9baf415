import random
import re

import pytest

from toolkit.data.augment.text import METHODS, chinese
from toolkit.data.text import CJK_CHAR, tokens

CHINESE = "你好，我觉得这个商品的质量很好，但是快递太慢了，希望尽快解决这个问题！谢谢👍"
MIXED = "我的 iPhone 手机很好 👍, but the battery is bad。"
BOTH = {"homophone": "homophones", "look_alike": "look_alikes"}


def apply(method, text, seed=0, alpha=0.3):
    return METHODS[method](tokens(text), random.Random(seed), alpha=alpha)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("text", [CHINESE, MIXED])
@pytest.mark.parametrize("seed", range(5))
def test_characters_are_changed_in_place_as_the_table_says(method, text, seed):
    out = apply(method, text, seed)
    assert len(out) == len(text)
    changed = [(a, b) for a, b in zip(text, out, strict=True) if a != b]
    assert 1 <= len(changed) <= round(0.3 * sum(t[0].isalnum() for t in tokens(text)))
    for a, b in changed:
        assert b in chinese.table(BOTH[method])[a]


def test_one_character_of_a_word():
    for seed in range(20):
        out = apply("homophone", "时间", seed, alpha=1.0)
        assert sum(a != b for a, b in zip("时间", out, strict=True)) == 1


def test_known_pairs():
    assert "再" in chinese.table("homophones")["在"]
    assert "士" in chinese.table("look_alikes")["土"]
    assert "己" in chinese.table("look_alikes")["已"]


@pytest.mark.parametrize("kind", BOTH.values())
def test_the_table_is_sound(kind):
    table = chinese.table(kind)
    assert len(table) > 400
    for character, others in table.items():
        assert CJK_CHAR.fullmatch(character)
        assert others
        assert character not in others
        assert len(set(others)) == len(others)
        assert all(character in table[other] for other in others)
        assert not re.search("[不没无非未别一二三四五六七八九十百千万]", character + others)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("text", ["the good shop", "word", "👍👍", "", "2019", "不 没 三"])
def test_nothing_for_other_texts(method, text):
    assert apply(method, text) is None


@pytest.mark.parametrize("method", BOTH)
def test_seeds_and_long_texts(method):
    assert apply(method, CHINESE, 3) == apply(method, CHINESE, 3)
    assert len({apply(method, CHINESE, seed) for seed in range(8)}) > 3
    text = "这个问题，" * 20_000
    out = apply(method, text, alpha=0.01)
    assert sum(a != b for a, b in zip(text, out, strict=True)) == 400
