from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.data.near_cases import sample_texts, templated

from toolkit.data import near
from toolkit.data.folding import folded
from toolkit.data.near import grams, lists, search, simhash
from toolkit.errors import ToolkitError


def marks_of(texts):
    return simhash.SimHash(texts, 3).marks.tolist()


def test_a_signature_holds_the_majority_of_each_bit():
    texts = ["the quick brown fox jumps over the lazy dog", "今天天气很好", "ab", "好"]
    values, counts = grams.grams(folded(texts), np.array([5, 2, 5, 2]))
    for text, own in zip(texts, np.split(values, np.cumsum(counts)[:-1]), strict=True):
        hashes = [int(v) ^ int(v) >> 29 for v in own]
        votes = [sum(h >> bit & 1 for h in hashes) * 2 > len(hashes) for bit in range(64)]
        assert marks_of([text]) == [sum(vote << bit for bit, vote in enumerate(votes))]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(0, 7), st.integers(0, 60), st.data())
def test_signatures_within_the_distance_meet_in_a_table(drawn, distance, bits, data):
    other = [m ^ sum(1 << b for b in data.draw(st.sets(st.integers(0, 63), max_size=distance))) for m in drawn]
    marks = np.array([*drawn, *other], np.uint64)
    keys = simhash.table_keys(marks, distance, simhash.blocks_for(bits, distance))
    assert len(keys) <= simhash.TABLES
    assert (keys[:, : len(drawn)] == keys[:, len(drawn) :]).any(0).all()


@pytest.mark.parametrize("distance", [0, 3, 6])
@pytest.mark.parametrize("exhaustive", [512, 0])
def test_pairs_are_those_within_the_distance(monkeypatch, distance, exhaustive):
    monkeypatch.setattr(search, "ALL", exhaustive)
    monkeypatch.setattr(search, "FEW", 4)
    texts = sample_texts(300)
    found, _ = near.pairs(texts, method="simhash", distance=distance)
    first = {}
    marks = marks_of_rows(texts)
    same = [(first.setdefault(m, i), i) for i, m in enumerate(marks) if first.setdefault(m, i) != i]
    expected = [(a, b) for a, b in combinations(first.values(), 2) if (marks[a] ^ marks[b]).bit_count() <= distance]
    assert found == sorted(same + expected)
    assert len(found) > 3
    linked, _ = near.links(texts, method="simhash", distance=distance)
    assert near.clusters(len(texts), linked) == near.clusters(len(texts), found)
    stays = near.keep(texts, range(len(texts)), method="simhash", distance=distance)[0] < 0
    assert not any(stays[a] and stays[b] for a, b in found)


def marks_of_rows(texts):
    values, counts = grams.grams(folded(texts), grams.sizes_of(folded(texts)))
    return simhash.signatures(values, counts).tolist()


def test_crowds(monkeypatch):
    """Hundreds of signatures of which many are near one another."""
    monkeypatch.setattr(search, "ALL", 0)
    texts = templated("all near", 700)
    monkeypatch.setattr(lists, "MOST", 10**6)
    found, _ = near.pairs(texts, method="simhash")
    linked, checked = near.links(texts, method="simhash")
    assert len(linked) < len(found) / 3
    assert near.clusters(len(texts), linked) == near.clusters(len(texts), found)
    assert checked < len(texts) ** 2 / 4
    stays = near.keep(texts, range(len(texts)), method="simhash")[0] < 0
    assert not any(stays[a] and stays[b] for a, b in found)


def test_texts_without_a_character_are_near_nothing():
    assert near.pairs(["", " ", "好", "好。"], method="simhash")[0] == [(2, 3)]
    assert near.pairs([], method="simhash")[0] == []


def test_a_distance_out_of_range():
    with pytest.raises(ToolkitError, match="distance of 8"):
        near.pairs(["a", "b"], method="simhash", distance=8)
