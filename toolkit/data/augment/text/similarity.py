"""chrF: how much of a text's character n-grams another one has (Popović, 2015), many pairs at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ORDER, BETA, BOUND = 6, 2.0, 3
_MIX, _ONE = np.uint64(0x9E3779B97F4A7C15), np.uint64(1)
# between texts, so that no n-gram goes across; characters that Unicode never gives away
_FENCES = "\U0010fffe" * (ORDER - 1), "\U0010ffff" * (ORDER - 1)


def chrf(texts: Sequence[str], references: Sequence[str]) -> Any:
    """The chrF (float64, 0 to 1) of each text against its reference; white space does not count.

    As sacrebleu's: the mean precision and recall over the orders 1 to 6 for which both have n-grams.
    """
    count = len(texts)
    left, right = _codes(texts, 0), _codes(references, 1)
    precision, recall, orders = np.zeros(count), np.zeros(count), np.zeros(count)
    for n in range(1, ORDER + 1):
        ours, theirs = np.maximum(left[2] - n + 1, 0), np.maximum(right[2] - n + 1, 0)
        both = (ours > 0) & (theirs > 0)
        matches = _shared(_grams(left, n, 0), _grams(right, n, 1), count)[both]
        precision[both] += matches / ours[both]
        recall[both] += matches / theirs[both]
        orders += both
    orders = np.maximum(orders, 1)
    return _f(precision / orders, recall / orders)


def at_least(texts: Sequence[str], references: Sequence[str], least: float) -> Any:
    """Whether the chrF (bool) of each text against its reference reaches `least`.

    A 3-gram that both have is a 2-gram and a 1-gram that both have too, so the 3-grams alone give a bound from below;
    nearly all pairs that reach 0.3 pass by it, at a fifth of the work.
    """
    left, right = _codes(texts, 0), _codes(references, 1)
    both = np.sort(np.concatenate([_grams(left, BOUND, 0), _grams(right, BOUND, 1)]))
    known = both[1:][(both[1:] ^ both[:-1]) == _ONE]  # the same gram of either side, one after the other
    matches = np.bincount((known >> np.uint64(41)).astype(np.int64), minlength=len(texts)) * (BOUND / ORDER)
    good = _f(matches / np.maximum(left[2], 1), matches / np.maximum(right[2], 1)) >= least
    rest = np.flatnonzero(~good).tolist()
    if rest:
        good[rest] = chrf([texts[i] for i in rest], [references[i] for i in rest]) >= least
    return good


def _f(precision: Any, recall: Any) -> Any:
    weighted = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1)


def _codes(texts: Sequence[str], side: int) -> tuple[Any, Any, Any]:
    """(code points of all texts without white space, fenced off; the number of the text of each; their lengths)."""
    plain = [text.replace(" ", "") for text in texts]
    joined = "".join(plain)
    if len("".join(joined.split())) < len(joined):  # other white space than blanks
        plain = ["".join(text.split()) for text in plain]
    fenced = _FENCES[side].join([*plain, ""])
    codes = np.frombuffer(fenced.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, plain), np.int64, len(plain))
    return codes, np.repeat(np.arange(len(plain), dtype=np.uint64) << np.uint64(41), lengths + ORDER - 1), lengths


def _grams(coded: tuple[Any, Any, Any], n: int, side: int) -> Any:
    """Hashes of the n-grams: of each the text in the upper 23 bits, the side in the lowest one."""
    codes, owner, _ = coded
    size = max(len(codes) - n + 1, 0)
    hashed = codes[:size].copy()
    for k in range(1, n):
        hashed *= _MIX
        hashed += codes[k : k + size]
    hashed ^= hashed >> np.uint64(32)
    hashed *= _MIX
    hashed >>= np.uint64(24)
    hashed <<= _ONE
    hashed |= owner[:size]
    hashed |= np.uint64(side)
    return hashed


def _shared(grams: Any, others: Any, count: int) -> Any:
    """How many n-grams of each text are in the other one too, each as often as both have it."""
    both = np.sort(np.concatenate([grams, others]))
    gram = both >> _ONE
    starts = np.flatnonzero(np.concatenate([[len(both) > 0], gram[1:] != gram[:-1]])[: len(both)])
    if not len(starts):
        return np.zeros(count)
    of_other = np.add.reduceat((both & _ONE).astype(np.int64), starts)
    shared = np.minimum(of_other, np.diff(starts, append=len(both)) - of_other)
    return np.bincount((gram[starts] >> np.uint64(40)).astype(np.int64), shared, minlength=count)
