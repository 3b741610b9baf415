from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data.augment.text.similarity import at_least, chrf


def plain(text, reference):
    """The definition, n-gram by n-gram."""
    text, reference = "".join(text.split()), "".join(reference.split())
    precisions, recalls = [], []
    for n in range(1, 7):
        ours, theirs = (Counter(t[i : i + n] for i in range(len(t) - n + 1)) for t in (text, reference))
        if ours and theirs:
            both = sum((ours & theirs).values())
            precisions.append(both / sum(ours.values()))
            recalls.append(both / sum(theirs.values()))
    if not precisions:
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 5 * precision * recall / (4 * precision + recall) if precision else 0.0


TEXTS = st.text(alphabet="ab c\n\u3000好的𝒳A", max_size=25)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_it_is_the_definition(pairs):
    texts, references = map(list, zip(*pairs, strict=True))
    found = chrf(texts, references)
    assert np.allclose(found, [plain(*pair) for pair in pairs], rtol=1e-12)
    for least in (0.05, 0.3, 0.6, 1.0):
        assert (at_least(texts, references, least) == (found >= least)).all()


def test_copies_with_edits():
    rng = Random(0)
    references = ["".join(rng.choice("abcdef ") for _ in range(rng.randrange(5, 120))) for _ in range(600)]
    texts = [text[: len(text) // 2] + rng.choice("xyz") + text[len(text) // 3 :] for text in references]
    found = chrf(texts, references)
    assert np.allclose(found, [plain(*pair) for pair in zip(texts, references, strict=True)], rtol=1e-12)
    for least in (0.3, 0.7, 0.8, 0.9):
        assert (at_least(texts, references, least) == (found >= least)).all()


@pytest.mark.parametrize(
    ("text", "reference", "expected"), [("same", "s a me", 1.0), ("", "", 0.0), ("a", "", 0.0), ("ab", "cd", 0.0)]
)
def test_ends_of_the_scale(text, reference, expected):
    assert chrf([text], [reference])[0] == expected


def test_no_ngram_goes_from_one_text_into_the_next():
    assert chrf(["ab", "cd"], ["xx", "abcd"])[0] == 0
    assert len(chrf([], [])) == 0
    assert len(at_least([], [], 0.3)) == 0
