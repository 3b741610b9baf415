"""Rows divided by the words of their texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.data import text as texts_of
from toolkit.evaluation.slices.family import MIN_ROWS, Family, of_matrix

COLUMN = "keyword"
MOST_CHARACTERS = 2000  # of a text that are read


def words(text: str) -> list[str]:
    """A text's words in lower case, those of one sign left out; Chinese is cut by jieba."""
    return [word for word in texts_of.words(text[:MOST_CHARACTERS].lower()) if len(word) > 1]


def count(texts: Sequence[str]) -> tuple[Any, list[str]]:
    """Which words each text holds: csr (rows, words) of float32 ones, and the words, sorted; rare ones are left out."""
    import numpy as np
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(analyzer=words, min_df=min(MIN_ROWS, len(texts)), binary=True, dtype=np.float32)
    try:
        found = counter.fit_transform(texts)
    except ValueError:  # not one word
        return csr_array((len(texts), 0), dtype=np.float32), []
    return csr_array(found), [str(word) for word in counter.get_feature_names_out()]


def family(found: Any, vocabulary: Sequence[str]) -> Family:
    """A slice a word, of what `count` gave."""
    return of_matrix("keyword", [[{"column": COLUMN, "value": word}] for word in vocabulary], found.tocsc())
