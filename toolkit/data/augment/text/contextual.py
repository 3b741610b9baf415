"""Words replaced by what a masked language model finds likely in their place (Kobayashi, 2018; Wu et al., 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, Any, Literal

from toolkit.data.augment.strategy import Between, Share
from toolkit.data.augment.text.eda import agree, count, in_case_of, places
from toolkit.data.text import is_cjk

Synonyms = Mapping[str, Sequence[str]]  # word in lower case -> other words
MOST = 100  # words of a row, each of which is a row to the model
NEAR = 300  # tokens on either side that it may read
LONGEST_CJK = 3  # characters of a Chinese word that the model itself proposes words for


def contextual_replacement(
    rows: list[list[str]],
    rngs: list[Random],
    copies: list[int],
    *,
    model: Any,
    synonyms: Synonyms,
    alpha: Share = 0.1,
    source: Literal["synonyms", "model"] = "synonyms",
    top: Annotated[int, Between(1, 100)] = 3,
) -> list[str | None]:
    """Words replaced by a synonym that is among the `top` likeliest there, or by the model's own words.

    Each word is judged among the parent's other words; of a long text `MOST` words at most are replaced.

    Args:
        model: with `rank` and `fill`; see `inference.masked_lm.MaskedLM`.
        source: where the candidates come from.
    """
    chosen = [_places(row, rng, synonyms, alpha, source) for row, rng in zip(rows, rngs, strict=True)]
    gaps = [_gap(row, i) for row, at in zip(rows, chosen, strict=True) for i in at]
    words = [row[i] for row, at in zip(rows, chosen, strict=True) for i in at]
    find = _own if source == "model" else _ranked
    candidates = iter(find(model, gaps, words, synonyms, top))
    out: list[str | None] = []
    for row, at, rng in zip(rows, chosen, rngs, strict=True):
        new = list(row)
        for i in at:
            found = next(candidates)
            if found:
                new[i] = in_case_of(row[i], rng.choice(found))
                agree(new, i)
        out.append("".join(new) if at else None)
    return out


def _places(row: list[str], rng: Random, synonyms: Synonyms, alpha: float, source: str) -> list[int]:
    """Which words are replaced: those that have candidates."""
    words = places(row)
    able = [i for i in words if (_fillable(row[i]) if source == "model" else _others(row[i], synonyms))]
    return sorted(rng.sample(able, min(count(words, alpha), len(able), MOST)))


def _gap(row: list[str], i: int) -> tuple[str, str]:
    return "".join(row[max(0, i - NEAR) : i]), "".join(row[i + 1 : i + 1 + NEAR])


def _fillable(word: str) -> bool:
    return word.isalpha() and (len(word) <= LONGEST_CJK if is_cjk(word) else len(word) > 1)


def _others(word: str, synonyms: Synonyms) -> list[str]:
    return [other for other in synonyms.get(word.lower(), ()) if other.lower() != word.lower()]


def _ranked(model: Any, gaps: list[Any], words: list[str], synonyms: Synonyms, top: int) -> list[list[str]]:
    """The likeliest synonyms of each word in its place."""
    candidates = [_others(word, synonyms) for word in words]
    scores = model.rank(gaps, candidates)
    return [
        [word for _, word in sorted(zip(of, found, strict=True), key=lambda pair: (-pair[0], pair[1]))[:top]]
        for of, found in zip(scores, candidates, strict=True)
    ]


def _own(model: Any, gaps: list[Any], words: list[str], synonyms: Synonyms, top: int) -> list[list[str]]:
    """The model's likeliest words in each place, of Chinese ones those that jieba knows."""
    sizes = [len(word) if is_cjk(word) else 1 for word in words]
    found = model.fill(gaps, sizes, top * 20)
    return [
        [other for other in others if _takes_place(other, word)][:top]
        for others, word in zip(found, words, strict=True)
    ]


def _takes_place(other: str, word: str) -> bool:
    if other.lower() == word.lower() or not other.isalpha() or is_cjk(other) != is_cjk(word):
        return False
    return len(other) > 1 and other.isascii() if not is_cjk(word) else _known(other)


def _known(word: str) -> bool:
    """Whether jieba's dictionary has the word."""
    import jieba

    jieba.initialize()
    return bool(jieba.dt.FREQ.get(word))
