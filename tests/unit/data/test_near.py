import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.data.near_cases import (
    HAN,
    TEMPLATES,
    WORDS,
    brute_force,
    every_pair,
    grams,
    sample_texts,
    sides,
    similarity,
    templated,
)

from toolkit.data import near
from toolkit.data.folding import folded
from toolkit.data.near import grams as gram_sets
from toolkit.data.near import index, lists, minhash, search
from toolkit.data.text import fold, is_cjk

TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=12)


@settings(max_examples=150)
@given(TEXTS, st.integers(0, 3))
def test_pairs_are_those_of_the_definition(texts, copies):
    texts = texts + [text[:-1] + "x" for text in texts[:copies]] + texts[:copies]
    expected = brute_force(texts)
    assert near.pairs(texts)[0] == expected
    assert near.clusters(len(texts), near.links(texts)[0]) == near.clusters(len(texts), expected)


@settings(max_examples=100)
@given(st.lists(st.text(max_size=12), max_size=8))
def test_pairs_of_any_text(texts):
    assert near.pairs(texts)[0] == brute_force(texts)


def test_pairs_of_the_sample_are_those_of_the_definition():
    texts = sample_texts(1200)
    found, checked = near.pairs(texts)
    expected = brute_force(texts)
    assert found == expected
    assert len(expected) > 120
    assert len(expected) <= checked < len(texts) * 50
    sides = Counter(is_cjk(texts[a]) for a, _ in expected)
    assert min(sides.values()) > 20  # both languages


@pytest.mark.parametrize(
    ("letters", "length", "more"),
    [(HAN, 9, 2), ("abcdefghijklmnopqrstuvwxyz", 44, 10), (HAN, 41, 10), ("abcdefghijklmnopqrstuvwxyz", 14, 2)],
)
def test_recall_at_the_threshold(letters, length, more):
    """Pairs of a similarity of 0.8, or just above: of 30,000 fewer than 30 missed, and not the same by another seed."""
    rng = np.random.default_rng(length)
    count = 30_000
    drawn = np.array(list(letters))[rng.integers(0, len(letters), (count, length + more))]
    long = ["".join(row) for row in drawn]
    texts = [text for pair in zip(long, (text[:length] for text in long), strict=True) for text in pair]
    some = [similarity(sides(texts[i]), sides(texts[i + 1])) for i in range(0, 200, 2)]
    assert 0.8 <= np.median(some) < 0.84
    wanted = {(i, i + 1) for i in range(0, 2 * count, 2)}
    missed = wanted - set(near.pairs(texts)[0])
    assert len(missed) <= count / 1000
    assert len(missed - set(near.pairs(texts, seed=1)[0])) <= 1 + len(missed) / 10


def test_bands_agree_as_often_as_minhash_should():
    """Over sets of any kind: in a share of s^5 of the bands at a similarity of s."""
    rng = np.random.default_rng(0)
    for both, own in ((8, 1), (30, 10), (50, 25)):
        core = rng.integers(0, 2**64, (4000, both), dtype=np.uint64)
        sides = [np.hstack([core, rng.integers(0, 2**64, (4000, own), dtype=np.uint64)]) for _ in range(2)]
        factors = minhash._odd_numbers(both)
        keys = [minhash.band_keys(s.ravel(), np.full(4000, both + own), factors) for s in sides]
        assert np.isclose((keys[0] == keys[1]).mean(), (both / (both + 2 * own)) ** 5, rtol=0.05)


def test_a_candidate_is_checked_once(monkeypatch):
    texts = list(dict.fromkeys(map(fold, sample_texts(400))))
    monkeypatch.setattr(search, "ALL", 0)
    asked = []
    check = search.Search.check

    def noted(self, left, right):
        asked.extend(zip(left.tolist(), right.tolist(), strict=True))
        return check(self, left, right)

    monkeypatch.setattr(search.Search, "check", noted)
    found = near.pairs(texts)[0]
    assert len(asked) == len(set(asked)) >= len(found) > 40
    assert all(a < b for a, b in asked)
    monkeypatch.setattr(lists, "_AT_ONCE", 3)
    assert near.pairs(texts)[0] == found


def clusters_of(texts, find=near.links):
    groups = {}
    for text, number in zip(texts, near.clusters(len(texts), find(texts)[0]), strict=True):
        groups.setdefault(number, []).append(text)
    return sorted(sorted(group) for group in groups.values())


def test_pairs_do_not_depend_on_order(monkeypatch):
    monkeypatch.setattr(search, "ALL", 0)
    texts = sample_texts(600)
    shuffled = random.Random(1).sample(texts, len(texts))
    assert clusters_of(texts) == clusters_of(shuffled) == clusters_of(texts, near.pairs)


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
        (["\0", "\0\0", "\0\0\0\0\0\0\0"], []),
        (["abcd", "abcde", "abc"], []),
        (["Hello, World", "hello world!!", "ｈｅｌｌｏ　ｗｏｒｌｄ"], [(0, 1), (0, 2)]),
    ],
)
@pytest.mark.parametrize("exhaustive", [512, 0])
def test_short_texts_and_signs(monkeypatch, texts, expected, exhaustive):
    monkeypatch.setattr(search, "ALL", exhaustive)
    assert near.pairs(texts)[0] == expected
    assert [tuple(link) for link in near.links(texts)[0].tolist()] == expected


def test_texts_shorter_than_the_gram_do_not_collapse():
    """All texts of one to four letters, and of one or two characters: each is near itself alone."""
    letters = "abcdefg"
    texts = [a + b + c for a in letters for b in ["", *letters] for c in ["", *letters]] + HAN[:500]
    texts = list(dict.fromkeys(texts))
    assert len(texts) > 800
    assert near.pairs(texts)[0] == []
    same = [(texts.index("abc"), len(texts)), (texts.index("一"), len(texts) + 1)]
    assert near.pairs([*texts, "ABC!", "一。"])[0] == same


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


def test_the_border_between_the_scripts_parts_no_pair():
    """The first is just a CJK text, the second just none, by one letter more."""
    texts = ["我要 phone abc", "我要 phone abcd", "phone abc", "to phone abcd"]
    assert [is_cjk(t) for t in texts[:2]] == [True, False]
    assert near.pairs(texts)[0] == brute_force(texts) == [(0, 1)]


def test_similarities_are_exact():
    texts = [t for t in sample_texts(300) if fold(t)]
    block = folded(texts)
    table = gram_sets.sets(block, gram_sets.sizes_of(block))
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, len(texts), (2, 500))
    sets = [grams(fold(t), 2 if is_cjk(fold(t)) else 5) for t in texts]
    expected = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in zip(left, right, strict=True)]
    assert gram_sets.jaccard(table, left, right).tolist() == expected
    bits = gram_sets.parities(table, 4)
    differ = np.bitwise_count(bits[left] ^ bits[right]).sum(1)
    assert all(d <= len(sets[a] ^ sets[b]) for d, a, b in zip(differ.tolist(), left, right, strict=True))


def test_arrow_arrays_are_read_as_lists_are():
    texts = [*sample_texts(600), "", "好", "👍"]
    expected = near.pairs(texts)
    whole = pa.array(["x", *texts])[1:]
    parts = pa.chunked_array([pa.array(texts[:100]), pa.array([], pa.string()), pa.array(texts[100:])])
    for array in (whole, parts, whole.cast(pa.large_string()), parts.dictionary_encode()):
        assert near.pairs(array) == expected
    assert near.pairs(pa.array([None, "a", None, "A"]))[0] == [(1, 3)]


def test_threads_change_nothing(monkeypatch):
    texts = sample_texts(600)
    found = near.pairs(texts), near.links(texts)[0].tolist()
    monkeypatch.setattr("toolkit.data.folding.CHARACTERS", 500)
    monkeypatch.setattr(minhash, "_CHARACTERS", 500)
    for count in (1, 3):
        monkeypatch.setattr(index, "cores", lambda count=count: count)
        assert (near.pairs(texts), near.links(texts)[0].tolist()) == found


@pytest.mark.parametrize("name", TEMPLATES)
def test_crowds_are_searched_without_loss(monkeypatch, name):
    monkeypatch.setattr(search, "ALL", 0)
    monkeypatch.setattr(search, "FAMILY", 0)
    texts = templated(name, 500)
    assert search.Search(minhash.MinHash(texts, near.SEED)).crowd.any()
    expected = every_pair(texts)
    found = near.pairs(texts)[0]
    linked, checked = near.links(texts)
    assert set(found) <= set(expected)
    assert set(map(tuple, linked.tolist())) <= set(expected)
    assert near.clusters(len(texts), linked) == near.clusters(len(texts), expected)
    assert checked < len(texts) ** 2 / 5
    monkeypatch.setattr(lists, "MOST", 10**6)
    assert len(near.pairs(texts)[0]) >= 0.999 * len(expected)


@pytest.mark.parametrize("options", [{}, {"method": "simhash", "distance": 6}], ids=str)
def test_a_family_with_slips_loses_nothing(options):
    """One text with 3% of its letters mistaken: grams that hundreds share, and some near pairs among many others."""
    rng = np.random.default_rng(0)
    text = np.array(list("thank you for shopping with us today we hope that you enjoyed it"))
    slips = rng.random((700, len(text))) < 0.03
    drawn = np.array(list("abcdefghijklmnopqrstuvwxyz"))[rng.integers(0, 26, slips.shape)]
    texts = ["".join(row) for row in np.where(slips, drawn, text)]
    index = near.prepare(texts, **options).index
    left, right = np.triu_indices(len(index), 1)
    assert len(index) > search.ALL
    close = np.stack([index.rows[left], index.rows[right]], 1)[index.near(left, right)]
    linked = near.links(texts, **options)[0]
    firsts = near.clusters(len(texts), linked), near.clusters(len(texts), linked, close)
    assert firsts[0] == firsts[1]
    stays = near.keep(texts, np.arange(len(texts)), **options)[0] < 0
    assert not stays[close].all(1).any()


def test_the_search_inside_crowds_proposes_every_pair_at_the_threshold():
    """Sets of which one holds the other (8 and 10 grams, the sizes as unlike as can be), and of equal sizes."""
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(300):
        drawn = "".join(rng.choice(HAN, 29, replace=False))
        texts += [drawn[:9], drawn[:11], drawn[11:27], drawn[13:29]]
    table = minhash.MinHash(texts, 0)
    short = np.zeros(len(table), bool)
    found = table.crowded(np.arange(len(table)), short)
    proposed = {pair for a, b in found for pair in zip(a.tolist(), b.tolist(), strict=True)}
    assert not short.any()
    left, right = np.triu_indices(len(texts), 1)
    alike = table.near(left, right)
    wanted = set(zip(left[alike].tolist(), right[alike].tolist(), strict=True))
    assert len(wanted) >= 300
    assert wanted <= {tuple(sorted(pair)) for pair in proposed}
    assert len(proposed) < 20 * len(texts)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("find", [near.links, lambda texts: near.keep(texts, np.arange(len(texts)))])
def test_few_pairs_are_checked_in_crowds_of_any_size(monkeypatch, name, find):
    """For each text about as many of three times as many; all of them would be 1,000 and 3,000."""
    monkeypatch.setattr(search, "FAMILY", 0)  # as in larger crowds
    few, many = (find(templated(name, count))[1] / count for count in (2000, 6000))
    assert few < 200
    assert many < 1.7 * few


def test_one_text_many_times():
    rng = random.Random(0)
    text = "The quick brown fox jumps over the lazy dog"
    texts = ["".join(rng.choice((c.upper(), c.lower())) for c in text) for _ in range(5000)]
    found, checked = near.links(texts)
    assert len(found) == checked == len(texts) - 1
    assert set(near.clusters(len(texts), found)) == {0}


def test_a_long_text_among_short_ones():
    long = " ".join(map(str, range(40_000)))
    assert near.pairs([long, "short", long + " more", "short!"])[0] == [(0, 2), (1, 3)]


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
    assert near.clusters(count, np.array(links[:1]), [], links[1:]) == numbers
