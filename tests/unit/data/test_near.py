import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data import near
from toolkit.data.text import fold, is_cjk

SAMPLE = Path(__file__).parents[3] / "sample_data" / "text.csv"


def grams(text):
    """The definition of design.md, word by word."""
    folded = fold(text)
    size = 2 if is_cjk(folded) else 5
    return {folded[i : i + size] for i in range(max(1, len(folded) - size + 1))} if folded else set()


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 0.0


def brute_force(texts):
    """Each text paired with the first of its fold, and those firsts with each other."""
    first, found = {}, set()
    for i, text in enumerate(texts):
        if fold(text) and first.setdefault(fold(text), i) != i:
            found.add((first[fold(text)], i))
    firsts = sorted(first.values())
    sets = {i: grams(texts[i]) for i in firsts}
    sizes = {i: len(s) for i, s in sets.items()}
    for k, a in enumerate(firsts):
        for b in firsts[k + 1 :]:
            low, high = sorted((sizes[a], sizes[b]))
            if low >= near.THRESHOLD * high and jaccard(sets[a], sets[b]) >= near.THRESHOLD:
                found.add((a, b))
    return sorted(found)


WORDS = st.sampled_from(["ab", "abc", "the", "cat", "sat", "好", "世界", "很", "的", "A", "!", "👍", "é", "１"])
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=12)


@settings(max_examples=150)
@given(TEXTS, st.integers(0, 3))
def test_pairs_are_those_of_the_definition(texts, copies):
    texts = texts + [text[:-1] + "x" for text in texts[:copies]] + texts[:copies]
    assert near.pairs(texts)[0] == brute_force(texts)


@settings(max_examples=100)
@given(st.lists(st.text(max_size=12), max_size=8))
def test_pairs_of_any_text(texts):
    assert near.pairs(texts)[0] == brute_force(texts)


def sample_texts(count):
    """Rows of the sample and copies of some with slips: similarities all around the threshold."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:count]
    rng = random.Random(0)
    for text in rng.sample([t for t in texts if len(t) > 15], count // 3):
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(["", "x", "好", " ", text[at]]) + text[at + 1 :]
        texts.append(text)
    return texts


def test_pairs_of_the_sample_are_those_of_the_definition():
    texts = sample_texts(1500)
    found, checked = near.pairs(texts)
    expected = brute_force(texts)
    assert found == expected
    assert len(expected) > 150
    assert len(expected) <= checked < len(texts) * 50
    sides = Counter(is_cjk(texts[a]) for a, _ in expected)
    assert min(sides.values()) > 40  # both languages


def test_a_candidate_is_checked_once_however_large_the_blocks(monkeypatch):
    grams = near.Grams(list(dict.fromkeys(map(fold, sample_texts(400)))))

    def proposed():
        return [pair for left, right in near._candidates(grams, "") for pair in zip(left, right, strict=True)]

    found = proposed()
    assert len(found) == len(set(found)) > 40
    assert all(a < b for a, b in found)
    monkeypatch.setattr(near, "_PAIRS_AT_ONCE", 3)
    assert set(proposed()) == set(found)


def test_pairs_do_not_depend_on_order():
    texts = sample_texts(600)
    order = random.Random(1).sample(range(len(texts)), len(texts))

    def clusters_of(some):
        numbers = near.clusters(len(some), near.pairs(some)[0])
        groups = {}
        for text, number in zip(some, numbers, strict=True):
            groups.setdefault(number, []).append(text)
        return sorted(sorted(group) for group in groups.values())

    assert clusters_of(texts) == clusters_of([texts[i] for i in order])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["one"], []),
        (["", " ", "", "\u3000"], []),
        (["ok", "no", "hi", "OK!", "ok?"], [(0, 3), (0, 4)]),
        (["好", "坏", "好。"], [(0, 2)]),
        (["好的", "好", "的"], []),
        (["???", "!!!", "???", "？？？"], [(0, 2), (0, 3)]),
        (["👍", "👎", "👍 "], [(0, 2)]),
        (["abcd", "abcde", "abc"], []),
        (["Hello, World", "hello world!!", "ｈｅｌｌｏ　ｗｏｒｌｄ"], [(0, 1), (0, 2)]),
    ],
)
def test_short_texts_and_signs(texts, expected):
    assert near.pairs(texts)[0] == expected


def test_the_threshold_itself_is_near():
    exact = ["一二三四五六七八九十", "一二三四五六七八九十百"]  # 9 of 10
    below = ["一二三四五六七", "一二三四五六七八九"]  # 6 of 8
    equal = ["一二三四五六七八九", "一二三四五六七八九十百"]  # 8 of 10
    assert [near.pairs(pair)[0] for pair in (exact, below, equal)] == [[(0, 1)], [], [(0, 1)]]


def test_chinese_is_compared_by_two_characters():
    """One character of thirteen differs: 10 of 14 pairs, not near; one at the end: 11 of 13, near."""
    text = "今天天气很好我们去公园玩"
    assert near.pairs([text, text.replace("很", "不")])[0] == []
    assert near.pairs([text, text + "吧"])[0] == [(0, 1)]


def test_similarities_are_exact():
    texts = sample_texts(300)
    table = near.Grams(texts)
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, len(texts), (2, 500))
    expected = [jaccard(grams(texts[a]) or {""}, grams(texts[b]) or {""}) for a, b in zip(left, right, strict=True)]
    assert table.jaccard(left, right).tolist() == expected


@pytest.mark.parametrize(
    ("count", "links", "groups"),
    [
        (0, [], []),
        (3, [], [{0}, {1}, {2}]),
        (5, [(0, 1), (3, 1)], [{0, 1, 3}, {2}, {4}]),
        (4, [(0, 1), (2, 3), (1, 2)], [{0, 1, 2, 3}]),
    ],
)
def test_clusters(count, links, groups):
    numbers = near.clusters(count, links)
    assert len(numbers) == count
    assert [{i for i in range(count) if numbers[i] == n} for n in dict.fromkeys(numbers)] == groups
