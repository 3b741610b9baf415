"""Structure: clauses and coordinated words change places where that keeps the meaning, in both languages.

Rules that pass over whatever they are not sure of, or the tree of a dependency parser where one is given. A parser is
`text -> list[trees.Word]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

from toolkit.data.augment.text import reorder_en, reorder_zh, trees
from toolkit.data.text import is_cjk

LONGEST = 400  # characters of a sentence that is looked at
_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?]+(?!\s|$)[^.!?。！？\n]*)*(?:[.!?。！？\n]+|$)")


def clause_reordering(tokens: list[str], rng: Random) -> str | None:
    """`Because B, A` as `A because B` and back, 因为A，所以B as 之所以B，是因为A; in some of the sentences."""
    return _said_otherwise(tokens, rng, _clauses)


def coordination_swap(tokens: list[str], rng: Random) -> str | None:
    """`X and Y`, X和Y of one shape, 既X又Y: X and Y change places; a pair of some of the sentences that have one."""
    return _said_otherwise(tokens, rng, _coordinations)


def parsed_clauses(tokens: list[str], rng: Random, *, parser: Any) -> str | None:
    """As `clause_reordering`, English clauses found by the tree."""
    return _said_otherwise(tokens, rng, lambda s: _clauses(s) if is_cjk(s) else trees.clauses(s, parser(s)))


def parsed_coordination(tokens: list[str], rng: Random, *, parser: Any) -> str | None:
    """As `coordination_swap`, pairs found by the tree."""

    def found(sentence: str) -> list[str]:
        parallel = reorder_zh.parallel(sentence) if is_cjk(sentence) else []
        return parallel + _swaps(sentence, trees.coordinations(sentence, parser(sentence)))

    return _said_otherwise(tokens, rng, found)


def _said_otherwise(tokens: list[str], rng: Random, ways: Callable[[str], list[str]]) -> str | None:
    """The text with some of its sentences as one of these ways says them; None if there is none."""
    parts = _SENTENCE.findall("".join(tokens))
    options: dict[int, list[str]] = {}
    for i, part in enumerate(parts):
        before, core, after = _pieces(part)
        found = ways(core) if core and len(core) <= LONGEST else []
        if found:
            options[i] = [before + way + after for way in found]
    if not options:
        return None
    for i in [i for i in options if rng.random() < 0.5] or [rng.choice(list(options))]:
        parts[i] = rng.choice(options[i])
    return "".join(parts)


def _pieces(part: str) -> tuple[str, str, str]:
    """A sentence as (white space, sentence, end sign)."""
    core = part.strip().rstrip(".!?。！？… \n")
    at = part.find(core)
    return part[:at], core, part[at + len(core) :]


def _clauses(sentence: str) -> list[str]:
    found = reorder_zh.clause(sentence) if is_cjk(sentence) else reorder_en.clause(sentence)
    return [found] if found else []


def _coordinations(sentence: str) -> list[str]:
    if is_cjk(sentence):
        return reorder_zh.parallel(sentence) + _swaps(sentence, reorder_zh.pairs(sentence))
    return _swaps(sentence, reorder_en.pairs(sentence))


def _swaps(sentence: str, pairs: list[tuple[trees.Span, trees.Span]]) -> list[str]:
    swapped = reorder_zh.swapped if is_cjk(sentence) else reorder_en.swapped
    return [swapped(sentence, first, second) for first, second in pairs]
