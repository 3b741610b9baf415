"""Near-duplicates: MinHash LSH proposes pairs, exact Jaccard similarity decides.

Two texts are near-duplicates when the sets of character 5-grams (CJK: 2-grams) of their folded forms have a Jaccard
similarity of 0.8 or more; a text shorter than the gram is its own gram. Signatures: rensa's R-MinHash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.text import fold, is_cjk

THRESHOLD = 0.8
# A pair of similarity s becomes a candidate with probability 1 - (1 - s^ROWS)^BANDS: 0.9992 at 0.8.
BANDS, ROWS = 18, 5
GRAM, CJK_GRAM = 5, 2
SEED = 7  # of the hash functions; the pairs found do not depend on it but for one in a thousand at the threshold
_PAIRS_AT_ONCE = 1 << 20
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Grams:
    """The hashed gram sets of many texts, one after another in one array."""

    def __init__(self, texts: Sequence[str]) -> None:
        folded = [fold(text) for text in texts]
        sizes = np.fromiter((CJK_GRAM if is_cjk(t) else GRAM for t in folded), dtype=np.int64, count=len(folded))
        parts = {size: _hashed(folded, np.flatnonzero(sizes == size), size) for size in (GRAM, CJK_GRAM)}
        owner = np.concatenate([parts[GRAM][0], parts[CJK_GRAM][0]])
        value = np.concatenate([parts[GRAM][1], parts[CJK_GRAM][1]])
        order = np.lexsort((value, owner))
        owner, value = owner[order], value[order]
        first = np.ones(len(owner), dtype=bool)
        first[1:] = (owner[1:] != owner[:-1]) | (value[1:] != value[:-1])
        self.values = value[first]
        self.offsets = np.concatenate([[0], np.cumsum(np.bincount(owner[first], minlength=len(folded)))]).astype(
            np.int64
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def jaccard(self, left: Any, right: Any) -> Any:
        """Similarities of the pairs (left[i], right[i]); arrays of row numbers, result float64 of that length."""
        sizes = np.diff(self.offsets)
        values = np.concatenate([self._gather(left), self._gather(right)])
        pair = np.concatenate(
            [np.repeat(np.arange(len(left)), sizes[left]), np.repeat(np.arange(len(right)), sizes[right])]
        )
        order = np.lexsort((values, pair))
        pair, values = pair[order], values[order]
        shared = np.bincount(pair[1:][(pair[1:] == pair[:-1]) & (values[1:] == values[:-1])], minlength=len(left))
        return shared / np.maximum(sizes[left] + sizes[right] - shared, 1)

    def _gather(self, rows: Any) -> Any:
        sizes = np.diff(self.offsets)[rows]
        starts = np.repeat(self.offsets[rows] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        return self.values[starts + np.arange(sizes.sum())]


def _hashed(folded: Sequence[str], rows: Any, gram: int) -> tuple[Any, Any]:
    """(row, 64-bit hash) of every gram of the rows, by a polynomial over code points."""
    lengths = np.fromiter((len(folded[i]) for i in rows), dtype=np.int64, count=len(rows))
    points = np.frombuffer("".join(folded[i] for i in rows).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    points = np.concatenate([points + np.uint64(1), np.zeros(gram, dtype=np.uint64)])
    starts = (
        np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    )
    counts = np.maximum(lengths - gram + 1, 1)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    position = np.repeat(starts, counts) + within
    left = np.repeat(lengths, counts)  # characters of the text: a shorter one than the gram ends early
    value = np.zeros(len(position), dtype=np.uint64)
    for step in range(gram):
        inside = within + step < left
        value = (value ^ np.where(inside, points[np.minimum(position + step, len(points) - 1)], np.uint64(0))) * _MIX
        value ^= value >> np.uint64(29)
    return np.repeat(rows, counts), value


def pairs(texts: Sequence[str], label: str = "near-duplicates", seed: int = SEED) -> tuple[list[tuple[int, int]], int]:
    """The near-duplicate pairs (i < j) of the texts, and how many candidates were checked.

    Of texts that fold to the same form the first stands for all: each later one is paired with it, and with no other.
    A text without any character is near nothing. `seed` is that of the hash functions: another one finds what
    the first missed.
    """
    first: dict[str, int] = {}
    same = [(first.setdefault(folded, i), i) for i, folded in enumerate(map(fold, texts)) if folded]
    found = [(a, b) for a, b in same if a != b]
    unique = np.array(sorted(first.values()), dtype=np.int64)
    if len(unique) < 2:
        return found, len(found)
    grams = Grams([texts[i] for i in unique])
    checked = len(found)
    for left, right in _candidates(grams, label, seed):
        alike = grams.jaccard(left, right) >= THRESHOLD
        checked += len(left)
        found += zip(unique[left[alike]].tolist(), unique[right[alike]].tolist(), strict=True)
    return sorted(set(found)), checked


def _candidates(grams: Grams, label: str, seed: int = SEED) -> Iterator[tuple[Any, Any]]:
    """Pairs that agree in a band, each at most once a band and in blocks of bounded size."""
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(grams.values, grams.offsets, BANDS * ROWS, seed)
    signatures = np.asarray(matrix.to_rows(), dtype=np.uint64)
    keys = np.zeros((len(grams), BANDS), dtype=np.uint64)
    for row in range(ROWS):
        keys = (keys ^ signatures[:, row::ROWS]) * _MIX
        keys ^= keys >> np.uint64(31)
    for band in console.track(range(BANDS), label):
        order = np.argsort(keys[:, band], kind="stable")
        ordered = keys[order, band]
        edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
        sizes = np.diff(edges)
        for left, right in _within(order, edges[:-1][sizes > 1], sizes[sizes > 1]):
            # a pair that an earlier band proposed was checked there
            fresh = ~(keys[left, :band] == keys[right, :band]).any(1)
            if fresh.any():
                yield np.minimum(left, right)[fresh], np.maximum(left, right)[fresh]


def _within(order: Any, starts: Any, sizes: Any) -> Iterator[tuple[Any, Any]]:
    """All pairs inside each bucket, by distance in the bucket."""
    distance = 1
    while len(starts):
        inside = np.repeat(starts, sizes - distance) + _ranges(sizes - distance)
        for i in range(0, len(inside), _PAIRS_AT_ONCE):
            block = inside[i : i + _PAIRS_AT_ONCE]
            yield order[block], order[block + distance]
        distance += 1
        starts, sizes = starts[sizes > distance], sizes[sizes > distance]


def _ranges(counts: Any) -> Any:
    """0..count-1 for each count, one after another."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def clusters(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """A cluster number for each of `count` rows: linked rows share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not links:
        return list(range(count))
    left, right = np.array(links).T
    graph = coo_array((np.ones(len(links), dtype=np.int8), (left, right)), shape=(count, count))
    return [int(c) for c in connected_components(graph, directed=False)[1]]
