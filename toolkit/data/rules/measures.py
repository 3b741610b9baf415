"""What a rule can measure of a text: counts and shares, over a block of texts at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import compress
from typing import Any

import numpy as np

from toolkit.data.text import CJK

SIGN, SPACE, DIGIT, LATIN, HAN, KANA, OTHER, EMOJI, LOST, CJK_SIGN = range(10)
_KINDS = 10
_TOP = 0x32400  # characters from here on are signs, and none is in use
_FIRST = 1000  # characters of a text that are looked at for phrases
_GRAM, _CJK_GRAM = 3, 4  # words, characters
_FEWEST_WORDS, _FEWEST_CJK = 6, 12

_ONE, _MIX = np.uint64(1), np.uint64(0x9E3779B97F4A7C15)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"，。！？；、（）【】《》\u4e00-\u9fff]+", re.IGNORECASE)
_REPEATED = re.compile(r"(.{1,10}?)\1{2,}", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Texts and what is counted in each of them, one row of the arrays a text.

    `counts` has a column for each kind of character. The distinct characters and words are lower bounds (exact ones
    cost as much as all other rules together): they tell which texts cannot be repetitive.
    """

    texts: Sequence[str]
    counts: Any
    characters: Any
    words: Any

    @cached_property
    def lengths(self) -> Any:
        return self.counts.sum(1)

    @cached_property
    def letters(self) -> Any:
        return self.counts[:, [LATIN, HAN, KANA, OTHER]].sum(1)

    @cached_property
    def cjk(self) -> Any:
        """Which texts `text.is_cjk` holds for."""
        cjk = self.counts[:, [HAN, KANA, CJK_SIGN]].sum(1)
        return (cjk > 0) & (cjk * 5 >= self.letters)

    def part(self, which: Any) -> Block:
        """The texts of a mask."""
        return Block(list(compress(self.texts, which)), self.counts[which], self.characters[which], self.words[which])


def block(texts: Sequence[str]) -> Block:
    # a space after each text, so that none is empty
    points = np.frombuffer((" ".join(texts) + " ").encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kind_of()[np.minimum(points, _TOP)]
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    starts = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(texts), dtype=np.int64) * _KINDS, lengths)
    counts = np.bincount(owner + kinds, minlength=len(texts) * _KINDS).reshape(-1, _KINDS)
    counts[:, SPACE] -= 1
    folded = (points & np.uint32(31)) | ((points & np.uint32(64)) >> np.uint32(1))  # letters by their case no more
    characters = np.bitwise_count(np.bitwise_or.reduceat(_ONE << folded.astype(np.uint64), starts))
    return Block(texts, counts, characters, _distinct_words(points, kinds, starts))


def _distinct_words(points: Any, kinds: Any, starts: Any) -> Any:
    """How many distinct words (at white space) each text has at least: bits set by hashes that forget the order."""
    hashed = np.where(kinds == SPACE, 0, ((points | np.uint32(32)).astype(np.uint64) + _ONE) * _MIX)
    edges = np.flatnonzero(kinds == SPACE)  # the last one is the end
    sums = np.add.reduceat(hashed, np.concatenate([[0], edges[:-1]]))
    bits = np.where(sums, _ONE << ((sums * _MIX) >> np.uint64(58)), 0)  # no word between two spaces
    return np.bitwise_count(np.bitwise_or.reduceat(bits, np.searchsorted(edges, starts)))


@cache
def _kind_of() -> Any:
    """The kind of every character, by its code."""
    every = "".join(map(chr, range(_TOP)))
    out = np.full(_TOP + 1, SIGN, dtype=np.uint8)

    def put(kind: int, pattern: str) -> None:
        out[[found.start() for found in re.finditer(pattern, every)]] = kind

    put(SPACE, r"\s")
    put(DIGIT, r"\d")
    put(OTHER, r"[^\W\d_]")
    put(LATIN, r"[A-Za-zªº\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]")
    put(CJK_SIGN, f"[{CJK}]")
    put(HAN, f"(?=[{CJK}])[^\\W\\d_]")
    put(KANA, "(?=[\u3040-\u30ff\uac00-\ud7af])[^\\W\\d_]")
    put(EMOJI, "[\u200d\u20e3\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff]")
    put(LOST, "\ufffd")
    return out


def _share(part: Any, whole: Any) -> Any:
    """NaN where there is nothing to have a share of."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _letters(b: Block) -> Any:
    seen = b.lengths - b.counts[:, SPACE] - b.counts[:, EMOJI]
    return _share(b.letters, seen)


def _script(b: Block, kind: int) -> Any:
    """One Chinese character says what four Latin letters do."""
    weights = np.zeros(_KINDS)
    weights[[LATIN, OTHER]], weights[[HAN, KANA]] = 1, 4
    weighted = b.counts * weights
    return _share(weighted[:, kind], weighted.sum(1))


def _some(b: Block, candidates: Any, measured: Callable[[str], float]) -> Any:
    """The measure of the texts that may be conspicuous; NaN for the others."""
    out = np.full(len(b.texts), np.nan)
    for i in candidates:
        out[i] = measured(b.texts[i])
    return out


def _squeezed(b: Block, bound: float) -> Any:
    """Characters left of a text that is repetition for the most part; no fewer than it has distinct ones."""

    def measured(text: str) -> float:
        left = len(squeeze(text))
        return left if 2 * left <= len(text) else np.nan

    return _some(b, np.flatnonzero(b.characters <= bound), measured)


def squeeze(text: str) -> str:
    """The text in lower case with what stands three times or more in a row cut to one."""
    text = " ".join(text.lower().split()) + " "
    while (shorter := _REPEATED.sub(r"\1", text)) != text:
        text = shorter
    return text.strip()


def _repeated_phrases(b: Block, bound: float) -> Any:
    """Share of the grams (three words; of Chinese four characters) that stood before, in the text's beginning.

    After the repetition filters of Rae et al. (2021). Distinct words are no more than distinct grams and two.
    """
    words = b.counts[:, SPACE] + 1
    latin = ~b.cjk & (words >= _FEWEST_WORDS) & (b.words <= (1 - bound) * (words - 2) + 2)
    chinese = b.cjk & (b.lengths >= _FEWEST_CJK)
    chinese &= b.characters <= (1 - bound) * (np.minimum(b.lengths, _FIRST) - 3) + 3
    out = _some(b, np.flatnonzero(latin), lambda text: _repeats(text.lower().split()[:_FIRST], _GRAM))
    return np.where(latin, out, _some(b, np.flatnonzero(chinese), lambda text: _repeats(text[:_FIRST], _CJK_GRAM)))


def _repeats(units: Sequence[str], size: int) -> float:
    count = len(units) - size + 1
    if count < _FEWEST_WORDS - size + 1:
        return 0.0
    return 1 - len(set(zip(*(units[i:] for i in range(size)), strict=False))) / count


def _commonest_word(b: Block, bound: float) -> Any:
    words = b.counts[:, SPACE] + 1
    few = np.flatnonzero((words >= _FEWEST_WORDS) & (b.words <= (1 - bound) * words + 1))
    return _some(b, few, lambda text: _commonest(text.lower().split()))


def _commonest(words: list[str]) -> float:
    return max(Counter(words).values()) / len(words) if len(words) >= _FEWEST_WORDS else 0.0


def _with_links(b: Block) -> list[int]:
    return [i for i, text in enumerate(b.texts) if "://" in text or "www." in text]


def _links(b: Block, bound: float) -> Any:
    """Of one link there is no telling: an address may be longer than what is said of it."""

    def measured(text: str) -> float:
        found = _LINK.findall(text)
        return sum(map(len, found)) / len("".join(text.split())) if len(found) > 1 else 0.0

    return _some(b, _with_links(b), measured)


# name -> function (block, bound) -> float array, NaN where a text has none or where it cannot be beyond the bound
MEASURES: dict[str, Callable[[Block, float], Any]] = {
    "characters": lambda b, _: b.lengths.astype(float),
    "letters": lambda b, _: _letters(b),
    "digits": lambda b, _: _share(b.counts[:, DIGIT], b.lengths - b.counts[:, SPACE]),
    "latin letters": lambda b, _: _script(b, LATIN),
    "chinese letters": lambda b, _: _script(b, HAN),
    "lost characters": lambda b, _: _share(b.counts[:, LOST], b.lengths),
    "squeezed": _squeezed,
    "repeated phrases": _repeated_phrases,
    "commonest word": _commonest_word,
    "outside links": lambda b, _: _some(b, _with_links(b), lambda text: len("".join(_LINK.sub("", text).split()))),
    "links": _links,
}
COUNTED = {  # how a figure that is no share is told
    "characters": "characters",
    "squeezed": "characters without repeats",
    "outside links": "characters beside links",
}
