"""EDA's four operations (Wei & Zou, 2019) on words, for both languages.

`alpha` is the share of words changed, one at least; signs and white space stay. `tokens` joined are the text.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from random import Random

from toolkit.data.text import is_cjk


def count(words: list[int], alpha: float) -> int:
    """How many of the words to change."""
    return max(1, round(alpha * len(words)))


def places(tokens: list[str]) -> list[int]:
    """Where the words are."""
    return [i for i, token in enumerate(tokens) if token[0].isalnum()]


def synonym_replacement(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Replace words that have synonyms by one of them."""
    known = [i for i in places(tokens) if _synonyms(tokens[i])]
    out = list(tokens)
    for i in rng.sample(known, min(count(places(tokens), alpha), len(known))):
        out[i] = _in_case_of(tokens[i], rng.choice(_synonyms(tokens[i])))
    return "".join(out)


def random_insertion(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Insert synonyms of words of the text at random places."""
    words, out = places(tokens), list(tokens)
    known = [i for i in words if _synonyms(tokens[i])]
    for _ in range(count(words, alpha) if known else 0):
        word, at = rng.choice(_synonyms(tokens[rng.choice(known)])), rng.choice(words)
        gap = "" if is_cjk(word) else " "
        out[at] = f"{word}{gap}{out[at]}" if rng.random() < 0.5 else f"{out[at]}{gap}{word}"
    return "".join(out)


def random_swap(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Swap pairs of words."""
    words, out = places(tokens), list(tokens)
    if len(words) > 1:
        for _ in range(count(words, alpha)):
            i, j = rng.sample(words, 2)
            out[i], out[j] = out[j], out[i]
    return "".join(out)


def random_deletion(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Delete each word with probability alpha; one word stays at least."""
    words, out = places(tokens), list(tokens)
    if len(words) < 2:
        return "".join(tokens)
    gone = {i for i in words if rng.random() < alpha} or {rng.choice(words)}
    if len(gone) == len(words):
        gone.remove(rng.choice(sorted(gone)))
    for i in gone:
        out[i] = ""
        if i and tokens[i - 1].isspace():
            out[i - 1] = ""
    return "".join(out)


def _in_case_of(original: str, replacement: str) -> str:
    return replacement.capitalize() if original[:1].isupper() and not is_cjk(original) else replacement


def _synonyms(word: str) -> list[str]:
    return [s for s in synonym_table().get(word.lower(), []) if s != word.lower()]


@cache
def synonym_table() -> dict[str, list[str]]:
    """word -> the other words of its group; the package's own table for both languages."""
    text = resources.files("toolkit.data.augment").joinpath("synonyms.json").read_text(encoding="utf-8")
    table: dict[str, list[str]] = {}
    for group in (group for groups in json.loads(text).values() for group in groups):
        for word in group:
            table.setdefault(word, []).extend(w for w in group if w != word)
    return table
