import random
from collections import Counter

import numpy as np
import pytest

from toolkit.data.augment import METHODS, eda
from toolkit.data.text import is_cjk, tokens, words

ENGLISH = "Hello, the good old shop has a big problem: my quick order of $3.50 didn’t arrive (yet)!"
CHINESE = "你好，我觉得这个商品的质量很好，但是快递太慢了，希望尽快解决这个问题！谢谢👍"
MIXED = "我的 iPhone 15 手机很好 👍, but the battery is bad。"
TEXTS = [ENGLISH, CHINESE, MIXED]


def apply(method, text, seed=0, alpha=0.2):
    return METHODS[method](tokens(text), random.Random(seed), alpha, is_cjk(text))


def others(text):
    """What is neither a word nor white space."""
    return [t for t in tokens(text) if not t.isspace() and not t[0].isalnum()]


def expected_count(text, alpha=0.2):
    return max(1, round(alpha * len(words(text))))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_swap_changes_the_order_alone(text, seed):
    out = apply("random_swap", text, seed)
    parts = tokens(text)
    assert sorted(out) == sorted(text)  # no character is lost or made
    assert len(out) == len(text)
    assert others(out) == others(text)
    moved = random.Random(seed)
    places = [i for i, t in enumerate(parts) if t[0].isalnum()]
    for _ in range(expected_count(text)):
        i, j = moved.sample(places, 2)
        parts[i], parts[j] = parts[j], parts[i]
    assert out == "".join(parts)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_deletion_takes_words_and_leaves_signs(text, seed):
    out = apply("random_deletion", text, seed)
    assert others(out) == others(text)
    assert 0 < len(words(out)) < len(words(text))
    assert not Counter(out) - Counter(text)
    assert "  " not in out


@pytest.mark.parametrize("seed", range(20))
def test_deletion_leaves_a_word(seed):
    assert words(apply("random_deletion", "one two three", seed, alpha=1.0)) in (["one"], ["two"], ["three"])


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_synonyms_take_the_place_of_words(text, seed):
    """Undoing each replacement gives the text back; no more are made than alpha says."""
    parts = tokens(text)
    out, rest = [], apply("synonym_replacement", text, seed)
    for part in parts:
        options = [part, *(eda._in_case_of(part, s) for s in eda._synonyms(part))]
        found = [o for o in sorted(options, key=len, reverse=True) if rest.startswith(o)]
        out.append(found[0])
        rest = rest[len(found[0]) :]
    assert not rest
    changed = [p for p, o in zip(parts, out, strict=True) if p != o]
    assert 1 <= len(changed) <= expected_count(text)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_insertion_adds_synonyms_and_loses_nothing(text, seed):
    out = apply("random_insertion", text, seed)
    assert not Counter(text) - Counter(out)
    assert others(out) == others(text)
    synonyms = {s for word in words(text) for s in eda._synonyms(word)}
    added = Counter("".join(out.split())) - Counter("".join(text.split()))
    assert sum(added.values()) <= expected_count(text) * max(map(len, synonyms))
    assert any(s in out for s in synonyms)


@pytest.mark.parametrize("word", ["something", "iPhone", "2019", "快递", "解决问题"])
def test_a_slip_is_one_letter(word):
    found = {apply("char_noise", word, seed) for seed in range(30)} - {word}
    assert len(found) > 1
    for out in found:
        assert 0 <= len(word) - len(out) <= 1
        assert sum((Counter(word.lower()) - Counter(out.lower())).values()) <= 1


@pytest.mark.parametrize("word", ["the", "the cat is on it", "好", "👍", "3 + 5"])
def test_short_words_are_spared(word):
    assert {apply("char_noise", word, seed) for seed in range(20)} == {word}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_noise_changes_as_many_words_as_alpha_says(text, seed):
    out, most = apply("char_noise", text, seed), expected_count(text)
    assert others(out) == others(text)
    assert 0 <= len(text) - len(out) <= most
    assert sum((Counter(text.lower()) - Counter(out.lower())).values()) <= most
    before, after = text.split(" "), out.split(" ")
    assert len(before) == len(after)
    if text == ENGLISH:
        assert 1 <= sum(b != a for b, a in zip(before, after, strict=True)) <= most


def test_noise_reaches_its_share_of_a_long_text():
    """nlpaug by itself stops at ten words."""
    text = " ".join(["something"] * 400)
    changed = sum(word != "something" for word in apply("char_noise", text, alpha=0.25).split(" "))
    assert 90 <= changed <= 100


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["", "word", "好", "👍", "👍 🏽!", "...", "a b", "x" * 5000, " \n "])
def test_odd_texts_come_back(method, text):
    for seed in range(5):
        out = apply(method, text, seed)
        assert isinstance(out, str)
        if not words(text):
            assert out == text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["good word " * 5000, "好的世界，" * 4000])
def test_long_texts_do_not_hang(method, text):
    out = apply(method, text, alpha=0.02)
    assert out != text
    assert 0.9 < len(out) / len(text) < 1.1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", TEXTS)
def test_the_generator_given_decides_and_no_other(method, text):
    random.seed(1)
    np.random.seed(1)
    one = [apply(method, text, seed) for seed in range(8)]
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(2)
    np.random.seed(2)
    assert [apply(method, text, seed) for seed in range(8)] == one
    assert len(set(one)) > 2
    random.seed(1)
    np.random.seed(1)
    assert random.getstate() == state
    assert (np.random.get_state()[1] == numpy_state[1]).all()


def test_capitals_are_kept():
    assert {apply("synonym_replacement", "Good", seed) for seed in range(9)} <= {"Fine", "Decent"}


def test_the_synonym_table_is_sound():
    table = eda.synonym_table()
    assert {is_cjk(word) for word in table} == {True, False}
    for word, others in table.items():
        assert others
        assert word not in others
        assert word == word.lower().strip()
        assert all(word in table[other] for other in others)
