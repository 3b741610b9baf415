"""EDA's four operations (Wei & Zou, 2019) on word tokens, for both languages. `alpha` is the share of words changed."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from random import Random

from toolkit.data.text import is_cjk, join


def _count(words: list[int], alpha: float) -> int:
    return max(1, round(alpha * len(words)))


def _words(tokens: list[str]) -> list[int]:
    return [i for i, token in enumerate(tokens) if token[0].isalnum()]


def synonym_replacement(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Replace words that have synonyms by one of them."""
    known = [i for i in _words(tokens) if _synonyms(tokens[i])]
    out = list(tokens)
    for i in rng.sample(known, min(_count(_words(tokens), alpha), len(known))):
        out[i] = _in_case_of(tokens[i], rng.choice(_synonyms(tokens[i])))
    return join(out)


def random_insertion(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Insert synonyms of words of the text at random places."""
    known = [i for i in _words(tokens) if _synonyms(tokens[i])]
    out = list(tokens)
    if known:
        for _ in range(_count(_words(tokens), alpha)):
            out.insert(rng.randrange(len(out) + 1), rng.choice(_synonyms(tokens[rng.choice(known)])))
    return join(out)


def random_swap(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Swap pairs of words."""
    words, out = _words(tokens), list(tokens)
    if len(words) > 1:
        for _ in range(_count(words, alpha)):
            i, j = rng.sample(words, 2)
            out[i], out[j] = out[j], out[i]
    return join(out)


def random_deletion(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Delete each word with probability alpha; one word stays at least."""
    words = _words(tokens)
    if len(words) < 2:
        return join(tokens)
    gone = {i for i in words if rng.random() < alpha} or {rng.choice(words)}
    if len(gone) == len(words):
        gone.remove(rng.choice(sorted(gone)))
    return join([token for i, token in enumerate(tokens) if i not in gone])


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
