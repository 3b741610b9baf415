"""Children for the rows of train: drawn, checked against what is there already, counted."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import xxhash

from toolkit import console
from toolkit.data.augment import METHODS
from toolkit.data.text import fold, is_cjk, tokens

TRIES = 3


def children(
    ids: Sequence[str], texts: Sequence[str], taken: set[str], methods: list[str], copies: int, alpha: float, seed: int
) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """Up to `copies` children a text, and per method how many were made, unchanged or repeated.

    Each row has a generator of its own (seed, id), and of two rows that draw the same text the first by id gets it: the
    result does not depend on the order of the rows.

    Args:
        taken: folded texts that no child may equal (every text of every split).
    """
    made: list[dict[str, Any]] = []
    counts = {name: {"made": 0, "unchanged": 0, "repeated": 0} for name in methods}
    taken = set(taken)
    for row in console.track(sorted(range(len(ids)), key=ids.__getitem__), "augmenting"):
        rng = Random(xxhash.xxh3_64_intdigest(f"{seed}:{ids[row]}".encode()))
        words, chinese = tokens(texts[row]), is_cjk(texts[row])
        for copy in range(copies):
            child = _child(texts[row], words, chinese, rng, methods, alpha, taken, counts)
            if child:
                text, method = child
                taken.add(fold(text))
                counts[method]["made"] += 1
                made.append({"row": row, "id": f"{ids[row]}+{copy + 1}", "text": text, "method": method})
    return sorted(made, key=lambda child: child["row"]), counts


def _child(
    text: str,
    words: list[str],
    chinese: bool,
    rng: Random,
    methods: list[str],
    alpha: float,
    taken: set[str],
    counts: dict[str, dict[str, int]],
) -> tuple[str, str] | None:
    if not words:
        return None
    for _ in range(TRIES):
        method = rng.choice(methods)
        out = METHODS[method](words, rng, alpha, chinese).strip()
        if fold(out) in ("", fold(text)):
            counts[method]["unchanged"] += 1
        elif fold(out) in taken:
            counts[method]["repeated"] += 1
        else:
            return out, method
    return None
