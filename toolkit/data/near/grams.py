"""Gram sets of folded texts: their hashes, and the exact similarity of pairs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from toolkit.data.folding import Folded
from toolkit.data.near.index import cut, ranges

GRAM, CJK_GRAM = 5, 2  # characters
_BASE = 0x9E3779B97F4A7C15
_ONE, _TWO, _MIX = np.uint64(_BASE), np.uint64(_BASE**2 % 2**64), np.uint64(0xD6E8FEB86659FD93)
BITS = 44  # of a gram's hash in a set; the others number its text
_AT_ONCE = 1 << 16  # grams


class Sets(NamedTuple):
    """Gram sets, one after another."""

    values: Any  # uint64, of BITS bits, ascending within a set
    starts: Any
    sizes: Any


def sizes_of(texts: Folded) -> Any:
    """Characters of a gram for each text."""
    return np.where(texts.cjk == 2, CJK_GRAM, GRAM)


def grams(texts: Folded, sizes: Any) -> tuple[Any, Any]:
    """The 64-bit hashes of all grams of the texts, one text after another (repeats too), and how many each has.

    Args:
        sizes: characters of a gram, GRAM or CJK_GRAM, for each text. A text shorter than that is its own gram.
    """
    count, lengths, ends = len(texts.codes), texts.lengths, np.cumsum(texts.lengths)
    codes = np.zeros(count + GRAM - 1, np.uint64)
    codes[:count] = texts.codes
    codes[:count] += np.uint64(1)  # 0 is no character
    counts = np.where(lengths > 0, np.maximum(lengths - sizes + 1, 1), 0)
    values = _hashed(codes, np.repeat(sizes == CJK_GRAM, lengths))
    short = np.flatnonzero((lengths < sizes) & (lengths > 0))
    if len(short):
        first, inside = (ends - lengths)[short], np.arange(GRAM) < lengths[short, None]
        own = np.where(inside, codes[np.minimum(first[:, None] + np.arange(GRAM), count)], np.uint64(0))
        two = np.repeat(sizes[short] == CJK_GRAM, GRAM)
        values[first] = _hashed(np.append(own.ravel(), codes[count:]), two)[::GRAM]
    keep = np.ones(count, bool)
    for back in range(1, GRAM):  # the last characters of a text begin no gram
        keep[(ends - back)[lengths - counts >= back]] = False
    return values[keep], counts


def _hashed(codes: Any, two: Any) -> Any:
    """Hashes of the grams that begin at each character: polynomials, mixed. The codes end with GRAM - 1 zeros."""
    pairs = codes[:-1] * _ONE + codes[1:]
    if two.all():
        values = pairs[: len(two)]
    else:
        fours = pairs[:-2] * _TWO + pairs[2:]
        values = fours[:-1] * _ONE + codes[4:]
        if two.any():
            values = np.where(two, pairs[: len(two)], values)
    values ^= values >> np.uint64(32)
    values *= _MIX
    return values


def digests(values: Any, counts: Any) -> Any:
    """(texts, 2) uint64: 128 bits of the grams in their order."""
    out = np.zeros((len(counts), 2), np.uint64)
    some = np.flatnonzero(counts)
    if len(some):
        starts = (np.cumsum(counts) - counts)[some]
        place = np.arange(len(values)) - np.repeat(starts, counts[some])
        out[some, 0] = np.add.reduceat(values, starts)
        out[some, 1] = np.add.reduceat(values * (2 * place + 1).astype(np.uint64), starts)
    return out


def sets(texts: Folded, sizes: Any) -> Sets:
    """The sets of the grams of the texts, of which there are fewer than 2^20."""
    values, counts = grams(texts, sizes)
    number = np.repeat(np.arange(len(counts), dtype=np.uint64) << np.uint64(BITS), counts)
    packed = np.sort(number | values >> np.uint64(64 - BITS))
    if len(packed):
        packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])]
    distinct = np.bincount((packed >> np.uint64(BITS)).astype(np.int64), minlength=len(counts))
    return Sets(packed & np.uint64((1 << BITS) - 1), np.cumsum(distinct) - distinct, distinct)


def parities(table: Sets, words: int) -> Any:
    """uint64 (sets, words): whether each of 64 * `words` slots has an odd number of grams.

    Two sets differ in at least as many grams as their parities do in bits (the bitmap filter of Sandes et al. 2020).
    """
    out = np.zeros((len(table.sizes), words), np.uint64)
    bit = np.uint64(1) << (table.values & np.uint64(63))
    word = table.values >> np.uint64(6) & np.uint64(words - 1)
    for i in range(words if len(bit) else 0):
        out[:, i] = np.bitwise_xor.reduceat(np.where(word == i, bit, np.uint64(0)), table.starts)
    return out


def jaccard(table: Sets, left: Any, right: Any) -> Any:
    """Similarities of the sets left[i] and right[i]: float64."""
    out = np.zeros(len(left))
    for start, stop in cut(table.sizes[left] + table.sizes[right], _AT_ONCE):
        out[start:stop] = _similar(table, left[start:stop], right[start:stop])
    return out


def _similar(table: Sets, left: Any, right: Any) -> Any:
    number = np.arange(len(left), dtype=np.uint64) << np.uint64(BITS)
    packed = np.concatenate([_gathered(table, left, number), _gathered(table, right, number)])
    packed.sort()
    both = packed[1:][packed[1:] == packed[:-1]]
    shared = np.bincount((both >> np.uint64(BITS)).astype(np.int64), minlength=len(left))
    return shared / (table.sizes[left] + table.sizes[right] - shared)


def _gathered(table: Sets, rows: Any, number: Any) -> Any:
    sizes = table.sizes[rows]
    return table.values[ranges(table.starts[rows], sizes)] | np.repeat(number, sizes)
