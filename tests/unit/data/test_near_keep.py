import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.data.near_cases import TEMPLATES, WORDS, every_pair, sample_texts, sides, similarity, templated

from toolkit.data import near
from toolkit.data.near import search, thinning
from toolkit.data.text import fold

ROWS = st.lists(
    st.tuples(st.lists(WORDS, max_size=8).map(" ".join), st.sampled_from(["a", "b", None]), st.booleans()), max_size=14
)


def alike(a, b):
    return bool(fold(a)) and (fold(a) == fold(b) or similarity(sides(a), sides(b)) >= near.THRESHOLD)


def greedy(texts, order, groups, anchors):
    """Word by word: for each text those that it may go for."""
    stays, out = [i for i in order if anchors[i]], [[]] * len(texts)
    for place, i in enumerate(order):
        if anchors[i]:
            out[i] = [j for j in order[:place] if anchors[j] and alike(texts[i], texts[j])]
        else:
            out[i] = [j for j in stays if (anchors[j] or groups[j] == groups[i]) and alike(texts[i], texts[j])]
            stays += [] if out[i] else [i]
    return out


@settings(max_examples=200)
@given(ROWS, st.integers(0, 4), st.randoms(use_true_random=False))
def test_what_stays_is_what_one_by_one_would_leave(rows, copies, rng):
    rows = rows + [(text + "s", group, False) for text, group, _ in rows[:copies]] + rows[:copies]
    texts, groups, anchors = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    order = rng.sample(range(len(texts)), len(texts))
    found, _ = near.keep(texts, order, groups, anchors)
    for row, (one, those) in enumerate(zip(found.tolist(), greedy(texts, order, groups, anchors), strict=True)):
        assert one in those or (one < 0 and not those)
        assert anchors[row] or not those or one == min(those, key=order.index)


def check(texts, groups, anchors, found):
    """What goes, goes for one that stays and may drive it out; of those that stay none may drive out another."""
    first = {}
    own = [first.setdefault(fold(text), row) for row, text in enumerate(texts)]
    pairs = set(every_pair(texts))
    stays = (found < 0) | anchors
    for row in np.flatnonzero(~stays):
        other = found[row]
        assert stays[other]
        assert anchors[other] or groups[other] == groups[row]
        assert own[row] == own[other] or tuple(sorted((own[row], own[other]))) in pairs
    for a, b in combinations(np.flatnonzero(stays).tolist(), 2):
        if tuple(sorted((own[a], own[b]))) in pairs or own[a] == own[b]:
            assert anchors[a] == anchors[b]
            assert anchors[a] or groups[a] != groups[b]


@pytest.mark.parametrize("name", [*TEMPLATES, "sample"])
@pytest.mark.parametrize("kinds", [1, 3])
def test_crowds(monkeypatch, name, kinds):
    """Few share a key already when three do; blocks so small that there are several."""
    monkeypatch.setattr(search, "ALL", 0)
    monkeypatch.setattr(search, "FEW", 3)
    monkeypatch.setattr(thinning, "_BLOCK", 64)
    monkeypatch.setattr(thinning, "_LEAST", 8)
    monkeypatch.setattr(thinning, "_MANY", 1000)
    texts = sample_texts(300) if name == "sample" else templated(name, 400)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(texts))
    groups, anchors = rng.integers(0, kinds, len(texts)), rng.random(len(texts)) < (0.1 if kinds > 1 else 0)
    found, checked = near.keep(texts, order, groups.tolist(), anchors)
    check(texts, groups, anchors, found)
    assert checked < len(texts) ** 2


def test_every_later_copy_goes_for_the_best_one():
    texts = ["Pay now", "pay now!", "PAY NOW", "later"]
    assert near.keep(texts, [2, 0, 1, 3])[0].tolist() == [2, 2, -1, -1]
    assert near.keep(texts, [2, 0, 1, 3], ["a", "b", "b", "b"])[0].tolist() == [-1, 2, -1, -1]
    assert near.keep(texts, [2, 0, 1, 3], ["a", "b", "b", "b"], [False, True, False, False])[0].tolist() == [
        1,
        -1,
        1,
        -1,
    ]


def test_a_text_goes_for_one_that_stays_only():
    """The second is near the first and near the third; the third goes when the second comes before the first alone."""
    texts = ["一二三四五六七八九十", "一二三四五六七八九十百千", "一二三四五六七八九十百千万亿"]
    assert near.keep(texts, [0, 1, 2])[0].tolist() == [-1, 0, -1]
    assert near.keep(texts, [1, 0, 2])[0].tolist() == [1, -1, 1]


def test_texts_that_are_not_in_the_order_are_not_there():
    texts = ["Pay now", "pay now!", "something else", "PAY NOW", "Something else"]
    prepared = near.prepare(texts)
    assert near.keep(prepared, [3, 1, 4])[0].tolist() == [-1, 3, -1, -1, -1]
    assert near.keep(prepared, [])[0].tolist() == [-1] * 5


def test_a_prepared_search_answers_as_the_texts_do():
    texts = [*sample_texts(600), *templated("some near", 600)]
    prepared = near.prepare(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    for _ in range(2):
        assert near.pairs(prepared) == near.pairs(texts)
        for a, b in ((near.links(prepared), near.links(texts)), (near.keep(prepared, order), near.keep(texts, order))):
            assert (a[0].tolist(), a[1]) == (b[0].tolist(), b[1])
    entry = prepared.entry.tolist()
    assert [entry.index(e) == row for row, e in enumerate(entry)] == [
        e not in entry[:row] for row, e in enumerate(entry)
    ]


def test_texts_without_a_character_stay():
    assert near.keep(["", " ", "", "?", "？"], range(5))[0].tolist() == [-1, -1, -1, -1, 3]


@pytest.mark.parametrize("name", [*TEMPLATES, "sample"])
def test_what_stays_stays_again(name):
    texts = sample_texts(1000) if name == "sample" else templated(name, 1500)
    left = [text for text, other in zip(texts, near.keep(texts, range(len(texts)))[0], strict=True) if other < 0]
    assert len(left) < len(texts)
    assert (near.keep(left, range(len(left)))[0] == -1).all()


def test_the_order_of_the_texts_plays_no_part():
    texts = sample_texts(800)
    rank = random.Random(0).sample(range(len(texts)), len(texts))
    stays = set()
    for seed in range(3):
        rows = random.Random(seed).sample(range(len(texts)), len(texts))
        order = sorted(range(len(rows)), key=lambda i, rows=rows: rank[rows[i]])
        found, _ = near.keep([texts[i] for i in rows], order)
        stays.add(frozenset(row for row, other in zip(rows, found, strict=True) if other < 0))
    assert len(stays) == 1
