"""What a dependency tree tells about clauses and coordinated words that may change places."""

from __future__ import annotations

import re
from typing import NamedTuple

from toolkit.data.augment.text import reorder_en
from toolkit.data.text import is_cjk

Span = tuple[int, int]  # characters, the end excluded
_MARKS = re.compile(reorder_en.CONJUNCTIONS, re.I)
_LINKS = {"and", "or", "和", "与", "及", "以及", "或", "或者"}
_KINDS = {"NOUN", "ADJ"}


class Word(NamedTuple):
    """A word of a parsed sentence. label: its relation to its head (advcl, mark, conj, cc); tag: NOUN, ADJ, PROPN …"""

    start: int
    end: int
    head: int  # the number of the word it hangs on; its own of the root
    label: str
    tag: str


def clauses(sentence: str, words: list[Word]) -> list[str]:
    """The English sentence with an adverbial clause of its root moved to the other end."""
    out = []
    for i, word in enumerate(words):
        if word.label != "advcl" or words[word.head].head != word.head:
            continue
        inside = _below(words, i)
        span = _span(words, inside)
        mark = words[min(inside)]
        conjunction = sentence[mark.start : mark.end]
        if span is None or not _MARKS.fullmatch(conjunction) or mark.label not in ("mark", "advmod"):
            continue
        moved = _moved(sentence, span, conjunction, sentence[mark.end : span[1]].strip(), words)
        if moved:
            out.append(moved)
    return out


def _moved(sentence: str, span: Span, conjunction: str, sub: str, words: list[Word]) -> str | None:
    before, after = sentence[: span[0]].strip(" ,"), sentence[span[1] :].strip(" ,")
    main = before or after
    if (before and after) or not main or not sub:
        return None
    if after:
        return None if reorder_en.REFERS.search(main.lower()) else reorder_en.to_back(conjunction, sub, main)
    if conjunction.lower() == "because" and reorder_en.NEGATED.search(main.lower()):
        return None  # it may be the reason that is negated
    return reorder_en.to_front(conjunction, sub, main, name=words[0].tag == "PROPN")


def coordinations(sentence: str, words: list[Word]) -> list[tuple[Span, Span]]:
    """The places of two coordinated nouns or adjectives whose dependants have the same labels, as spans to swap."""
    if not is_cjk(sentence) and reorder_en.ORDERED.search(sentence.lower()):
        return []
    out = []
    for i, word in enumerate(words):
        joined = [k for k, other in enumerate(words) if other.head == i and other.label == "conj" and k != i]
        links = [k for k, other in enumerate(words) if other.label == "cc" and other.head in (i, *joined)]
        if word.tag not in _KINDS or len(joined) != 1 or len(links) != 1 or words[joined[0]].tag != word.tag:
            continue
        second = _below(words, joined[0]) - {links[0]}
        first = _below(words, i) - second - {links[0]}
        a, b = _span(words, first), _span(words, second)
        link = sentence[words[links[0]].start : words[links[0]].end].lower()
        alike = _shape(words, i, first) == _shape(words, joined[0], second)
        if a and b and link in _LINKS and alike and a[1] <= words[links[0]].start < b[0]:
            out.append((a, b))
    return out


def _shape(words: list[Word], head: int, inside: set[int]) -> list[tuple[bool, str]]:
    """The labels of what hangs on a word, and on which side."""
    return [(i < head, words[i].label) for i in sorted(inside) if words[i].head == head and i != head]


def _below(words: list[Word], top: int) -> set[int]:
    """A word and all that hangs on it."""
    out = {top}
    while True:
        more = {i for i, word in enumerate(words) if word.head in out} - out
        if not more:
            return out
        out |= more


def _span(words: list[Word], inside: set[int]) -> Span | None:
    """Where these words stand; None if others stand between them."""
    first, last = min(inside), max(inside)
    return (words[first].start, words[last].end) if last - first + 1 == len(inside) else None
