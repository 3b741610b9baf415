"""SimHash (Charikar 2002): 64-bit signatures, those that differ in few bits found by blocks (Manku et al. 2007)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from typing import Any

import numpy as np

from toolkit.data.folding import Folded, Source
from toolkit.data.near import grams, lists
from toolkit.data.near.index import first_of_equals, parallel
from toolkit.errors import ToolkitError

BITS = 64
FARTHEST = 7
TABLES = 64  # at most
_BASE = np.uint64(0x9E3779B97F4A7C15)
_LANES = np.uint64(1 << 32 | 1)


class SimHash:
    """An index (see index.Index) for signatures that differ in `distance` bits at most. An entry is a signature."""

    def __init__(self, texts: Any, distance: int, label: str = "") -> None:
        if not 0 <= distance <= FARTHEST:
            raise ToolkitError(f"a SimHash distance of {distance}", f"give 0 to {FARTHEST} bits of {BITS}")
        source = Source(texts)
        marks, empty = np.zeros(len(source), np.uint64), np.zeros(len(source), bool)
        for (start, stop), signed in parallel(lambda block: _signed(source.folded(*block)), source.blocks(), label):
            marks[start:stop], empty[start:stop] = signed
        self.rows, self.entry = first_of_equals(marks[:, None], empty)
        self.marks, self.distance = marks[self.rows], distance
        self.keys = table_keys(self.marks, distance, blocks_for(len(self).bit_length() + 2, distance))

    def __len__(self) -> int:
        return len(self.rows)

    def near(self, left: Any, right: Any) -> Any:
        """Which pairs of entries differ in few enough bits."""
        return np.bitwise_count(self.marks[left] ^ self.marks[right]) <= self.distance

    def crowded(self, entries: Any, short: Any) -> Iterator[tuple[Any, Any]]:
        """Candidate pairs from as many and as long keys as there may be; complete but for crowds in these."""
        keys = table_keys(self.marks[entries], self.distance, blocks_for(BITS, self.distance))
        everywhere = np.full(len(entries), len(entries))
        for table in keys:
            begins, cut_short = np.ones(len(entries), bool), np.zeros(len(entries), bool)
            postings = lists.posting(table, np.arange(len(entries)), begins)
            for left, right in lists.pairs(postings, everywhere, cut_short):
                yield entries[left], entries[right]
            short[entries[cut_short]] = True


def _signed(texts: Folded) -> tuple[Any, Any]:
    values, counts = grams.grams(texts, grams.sizes_of(texts))
    some = counts > 0
    marks = np.zeros(len(counts), np.uint64)
    if some.any():
        marks[some] = signatures(values, counts[some])
    return marks, ~some


def signatures(values: Any, counts: Any) -> Any:
    """uint64 for each text: a bit is set when it is set in more than half of its grams' hashes."""
    starts, half = np.cumsum(counts) - counts, counts.astype(np.uint64)
    values = values ^ values >> np.uint64(29)
    out = np.zeros(len(counts), np.uint64)
    for bit in range(BITS // 2):  # two bits at a time, each counted in its half of a word
        sums = np.add.reduceat(values >> np.uint64(bit) & _LANES, starts)
        low, high = sums & np.uint64(0xFFFFFFFF), sums >> np.uint64(32)
        out |= (low * np.uint64(2) > half).astype(np.uint64) << np.uint64(bit)
        out |= (high * np.uint64(2) > half).astype(np.uint64) << np.uint64(bit + 32)
    return out


def blocks_for(bits: int, distance: int) -> int:
    """Into how many blocks signatures are cut: for keys of so many bits, as far as TABLES allows.

    Two signatures at a Hamming distance of `distance` agree in all blocks but so many.
    """
    blocks = distance + 1
    while (blocks - distance) * BITS // blocks < bits and comb(blocks + 1, distance) <= TABLES:
        blocks += 1
    return blocks


def table_keys(marks: Any, distance: int, blocks: int) -> Any:
    """uint32 (tables, signatures): signatures within the distance have the same key in one table or more."""
    edges = [BITS * i // blocks for i in range(blocks + 1)]
    masks = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    chosen = list(combinations(masks, blocks - distance))
    out = np.empty((len(chosen), len(marks)), np.uint32)
    for table, some in enumerate(chosen):
        key = (marks & np.uint64(sum(some))) * _BASE
        out[table] = (key ^ key >> np.uint64(29)) * _BASE >> np.uint64(32)
    return out
