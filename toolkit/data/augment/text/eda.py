"""EDA's four operations (Wei & Zou, 2019) and AEDA's one (Karimi et al., 2021), for both languages.

`alpha` is the share of the words changed, one at least; signs stay where they are. `tokens` joined are the text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from toolkit.data.augment.strategy import Share
from toolkit.data.augment.text.inflection import article
from toolkit.data.text import CJK_CHAR

SIGNS, SIGNS_CJK = ".;?:!,", "。；？：！，"


def count(words: list[int], alpha: float) -> int:
    """How many of the words to change."""
    return max(1, round(alpha * len(words)))


def places(tokens: list[str]) -> list[int]:
    """Where the words are."""
    return [i for i, token in enumerate(tokens) if token[0].isalnum()]


def synonym_replacement(
    tokens: list[str], rng: Random, *, alpha: Share = 0.1, synonyms: Mapping[str, Sequence[str]]
) -> str | None:
    """Replace words that have synonyms by one of them; case and the article before ("a", "an") are kept right."""
    words = places(tokens)
    known = [i for i in words if tokens[i].lower() in synonyms]
    if not known:
        return None
    out = list(tokens)
    for _ in range(min(count(words, alpha), len(known))):
        at = int(rng.random() * len(known))
        known[at], known[-1] = known[-1], known[at]
        i = known.pop()
        out[i] = in_case_of(tokens[i], pick(synonyms[tokens[i].lower()], rng))
        agree(out, i)
    return "".join(out)


def random_insertion(
    tokens: list[str], rng: Random, *, alpha: Share = 0.1, synonyms: Mapping[str, Sequence[str]]
) -> str | None:
    """Insert synonyms of words of the text at random places between its words."""
    words = places(tokens)
    known = [i for i in words if tokens[i].lower() in synonyms]
    if not known:
        return None
    out = list(tokens)
    for _ in range(count(words, alpha)):
        word, at = pick(synonyms[tokens[pick(known, rng)].lower()], rng), int(rng.random() * (len(words) + 1))
        if at == len(words):
            out[words[-1]] += gap(out[words[-1]], word) + word
        else:
            i = words[at]
            out[i] = (gap(tokens[i - 1], word) if i else "") + word + gap(word, out[i]) + out[i]
    return "".join(out)


def random_swap(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """Swap two words, as many times as alpha says."""
    words = places(tokens)
    many = len(words)
    if many < 2:
        return None
    out = list(tokens)
    for _ in range(count(words, alpha)):
        first, second = int(rng.random() * many), int(rng.random() * (many - 1))
        i, j = words[first], words[second + (second >= first)]
        out[i], out[j] = out[j], out[i]
    return "".join(out)


def random_deletion(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """Delete each word with probability alpha: one at least, or nothing were new, and never the last one left."""
    words = places(tokens)
    if len(words) < 2:
        return None
    gone = _chosen(words, alpha, rng) or [rng.choice(words)]
    if len(gone) == len(words):
        gone.remove(rng.choice(gone))
    out = list(tokens)
    for i in gone:
        out[i] = ""
        if i and out[i - 1].isspace():
            out[i - 1] = ""
        elif i + 1 < len(out) and out[i + 1].isspace():
            out[i + 1] = ""
    return "".join(out)


def punctuation_insertion(tokens: list[str], rng: Random, *, share: Share = 1 / 3) -> str | None:
    """AEDA: put 1 to share * words signs of .;?:!, (full-width before Chinese words) before random words."""
    words = places(tokens)
    if not words:
        return None
    out = list(tokens)
    for i in rng.sample(words, rng.randint(1, max(1, int(share * len(words) + 1e-9)))):
        out[i] = rng.choice(SIGNS_CJK) + out[i] if CJK_CHAR.match(out[i]) else f"{rng.choice(SIGNS)} {out[i]}"
    return "".join(out)


def pick(items: Sequence[Any], rng: Random) -> Any:
    """One of them, at half the price of `rng.choice`."""
    return items[int(rng.random() * len(items))]


def _chosen(words: list[int], alpha: float, rng: Random) -> list[int]:
    """Each with probability alpha: the gaps between them are drawn, which are fewer than the words."""
    if alpha in (0, 1):
        return words if alpha else []
    out: list[int] = []
    at, scale = -1, 1 / math.log1p(-alpha)
    while True:
        at += 1 + int(math.log(1 - rng.random()) * scale)
        if at >= len(words):
            return out
        out.append(words[at])


def in_case_of(original: str, replacement: str) -> str:
    """The replacement in the original's case: UPPER, Title, or as it is."""
    if not original[0].isupper():
        return replacement
    if len(original) > 1 and original.isupper():
        return replacement.upper()
    return replacement[0].upper() + replacement[1:]


def agree(tokens: list[str], i: int) -> None:
    """Set "a" or "an" before token i right."""
    if i > 1 and tokens[i - 1] == " " and tokens[i - 2].lower() in ("a", "an"):
        tokens[i - 2] = in_case_of(tokens[i - 2], article(tokens[i])) if tokens[i].isascii() else tokens[i - 2]


def gap(left: str, right: str) -> str:
    """A space where two words that stand side by side want one: neither is Chinese."""
    return " " if _open(left[-1]) and _open(right[0]) else ""


def _open(character: str) -> bool:
    return character.isalnum() and not CJK_CHAR.match(character)
