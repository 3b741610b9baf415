"""MinHash (Broder 1997) with banding (Indyk and Motwani 1998) proposes pairs, exact Jaccard similarity decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from toolkit.data.folding import Folded, Source
from toolkit.data.near import grams, lists
from toolkit.data.near.index import cut, distinct, first_of_equals, parallel

THRESHOLD = 0.8
# A pair of similarity s becomes a candidate with probability 1 - (1 - s^ROWS)^BANDS: 0.9992 at 0.8.
BANDS, ROWS = 18, 5
# Of two sets of s grams together, d in one alone: a similarity of 0.8 or more is 9 d <= s.
_NINE = 9
_WORDS = 4  # of a sketch
_PART = 1 << 16  # grams at a time: they stay in the cache over all hash functions
_CHARACTERS = 1 << 18  # at a time, when gram sets are made
_PAIRS = 1 << 17  # at a time
_SLOTS = 22  # bits
_POSTINGS = 1 << 23  # at a time
_BASE, _MIX = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


class MinHash:
    """An index (see index.Index) for the Jaccard similarity of gram sets.

    After the entries come their twins: a text that holds CJK characters and yet is no CJK text has an entry of 5-grams
    like its kind, and one of 2-grams to be compared with CJK texts.
    """

    def __init__(self, texts: Any, seed: int, label: str = "") -> None:
        self.source = Source(texts)
        count = len(self.source)
        keys, digests = np.empty((BANDS, count), np.uint32), np.empty((count, 2), np.uint64)
        lengths, twins, factors = np.empty(count, np.int64), [np.zeros(0, np.int64)], _odd_numbers(seed)
        twin_keys = [keys[:, :0]]
        blocks = parallel(lambda block: _signed(self.source.folded(*block), factors), self.source.blocks(), label)
        for (start, stop), (own, digest, length, mixed, mixed_keys) in blocks:
            keys[:, start:stop], digests[start:stop], lengths[start:stop] = own, digest, length
            twins.append(start + mixed)
            twin_keys.append(mixed_keys)
        first, self.entry = first_of_equals(digests, lengths == 0)
        twin = np.concatenate(twins)
        known = np.isin(twin, first)
        self.ones = len(first)  # entries that are no twins
        self.rows = np.concatenate([first, twin[known]])
        self.keys = np.concatenate([keys[:, first], np.concatenate(twin_keys, axis=1)[:, known]], axis=1)
        self.lengths = lengths[self.rows]
        self.sizes = np.zeros(len(self), np.int64)  # of the gram sets, 0: not made yet
        self.sketches = np.empty((_WORDS, len(self)), np.uint64)

    def __len__(self) -> int:
        return len(self.rows)

    def near(self, left: Any, right: Any) -> Any:
        """Which pairs of entries have a Jaccard similarity of THRESHOLD or more."""
        out = np.zeros(len(left), bool)
        for start in range(0, len(left), _PAIRS):
            at = start + np.flatnonzero(self._perhaps(left[start : start + _PAIRS], right[start : start + _PAIRS]))
            parts = [
                at[first:last] for first, last in cut(self.lengths[left[at]] + self.lengths[right[at]], _CHARACTERS)
            ]
            for part, alike in parallel(lambda some: self._alike(left[some], right[some]), parts):
                out[part] = alike
        return out

    def _perhaps(self, left: Any, right: Any) -> Any:
        """Pairs that sizes and sketches do not rule out."""
        self._sketch(np.concatenate([left, right]))
        a, b = self.sizes[left], self.sizes[right]
        most = (a + b) // _NINE
        differ = np.zeros(len(left), np.uint16)
        for word in self.sketches:
            differ += np.bitwise_count(word[left] ^ word[right])
        twins = (left >= self.ones) & (right >= self.ones)  # two that are no CJK texts: compared by 5-grams
        return (differ <= most) & (np.abs(a - b) <= most) & ~twins

    def _alike(self, left: Any, right: Any) -> Any:
        entries, place = np.unique(np.concatenate([left, right]), return_inverse=True)
        return grams.jaccard(self._sets(entries), place[: len(left)], place[len(left) :]) >= THRESHOLD

    def _sketch(self, entries: Any) -> None:
        new = distinct(entries[self.sizes[entries] == 0])
        for part, table in parallel(self._sets, self._parts(new)):
            self.sizes[part], self.sketches[:, part] = table.sizes, grams.parities(table, _WORDS).T

    def _parts(self, entries: Any) -> Iterator[Any]:
        return (entries[a:b] for a, b in cut(self.lengths[entries], _CHARACTERS))

    def _sets(self, entries: Any) -> grams.Sets:
        texts = self.source.take(self.rows[entries])
        return grams.sets(texts, np.where(entries >= self.ones, grams.CJK_GRAM, grams.sizes_of(texts)))

    def crowded(self, entries: Any, short: Any) -> Iterator[tuple[Any, Any]]:
        """Pairs that can be near, by prefix filtering (Chaudhuri et al. 2006; PPJoin: Xiao et al. 2008).

        With the grams of all sets in one order, the rarest first, two sets of a similarity of 0.8 share one of the
        first n - ceil(0.8 n) + 1 of the larger and of the first n - ceil(n * 8 / 9) + 1 of the smaller.
        """
        if len(entries) < 2:
            return
        self._sketch(entries)
        entries = entries[np.argsort(self.sizes[entries], kind="stable")]
        counts = np.zeros(1 << _SLOTS, np.int64)
        for _, table in parallel(self._sets, self._parts(entries)):
            counts += np.bincount(_slots(table), minlength=1 << _SLOTS)
        shares = int((self.sizes[entries] // 5 + 1).sum()) // _POSTINGS + 1
        reach = np.searchsorted(self.sizes[entries] * 4, self.sizes[entries] * 5, "right")
        place = np.zeros(len(self), np.int64)
        place[entries] = np.arange(len(entries))
        for share in range(shares):

            def postings(part: Any, share: int = share) -> Any:
                return _postings(self._sets(part), place[part], counts, share, shares)

            found = [posting for _, posting in parallel(postings, self._parts(entries))]
            cut_short = np.zeros(len(entries), bool)
            for left, right in lists.pairs(np.concatenate(found), reach, cut_short):
                yield entries[left], entries[right]
            short[entries[cut_short]] = True


def _signed(texts: Folded, factors: Any) -> tuple[Any, ...]:
    """Band keys, digests and lengths of a block of texts; the places of those that have a twin, and its keys."""
    values, counts = grams.grams(texts, grams.sizes_of(texts))
    keys, digests = band_keys(values, counts, factors), grams.digests(values, counts)
    twins = np.flatnonzero(texts.cjk == 1)
    some = np.repeat(texts.cjk == 1, texts.lengths)
    part = Folded(texts.codes[some], texts.lengths[twins], texts.cjk[twins])
    mixed = band_keys(*grams.grams(part, np.full(len(twins), grams.CJK_GRAM)), factors)
    return keys, digests, texts.lengths, twins, mixed


def band_keys(values: Any, counts: Any, factors: Any) -> Any:
    """uint32 (BANDS, texts): two texts of which all ROWS minima agree have the same key in that band.

    The hash functions are multiplications of an already random 32-bit value by odd numbers, which permute.
    """
    short, ends = (values >> np.uint64(32)).astype(np.uint32), np.cumsum(counts)
    out = np.zeros((BANDS, len(counts)), np.uint32)
    for start, stop in cut(counts, _PART):
        first = ends[start] - counts[start]
        some = start + np.flatnonzero(counts[start:stop])
        if len(some):
            out[:, some] = _keys(short[first : ends[stop - 1]], (ends - counts)[some] - first, factors)
    return out


def _keys(values: Any, starts: Any, factors: Any) -> Any:
    keys = np.zeros((BANDS, len(starts)), np.uint64)
    product, least = np.empty_like(values), np.empty(len(starts), np.uint32)
    for i, factor in enumerate(factors):
        np.multiply(values, factor, out=product)
        np.minimum.reduceat(product, starts, out=least)
        key = keys[i // ROWS]
        key ^= least
        key *= np.uint64(_BASE)
        key ^= key >> np.uint64(29)
    return (keys * np.uint64(_MIX) >> np.uint64(32)).astype(np.uint32)


def _odd_numbers(seed: int) -> Any:
    """One for each hash function, the same on all machines (SplitMix64)."""
    value = np.arange(BANDS * ROWS, dtype=np.uint64) * np.uint64(_BASE) + np.uint64((2 * seed + 1) * _MIX % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ value >> np.uint64(shift)) * np.uint64(factor)
    return (value >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def _slots(table: grams.Sets) -> Any:
    return (table.values >> np.uint64(grams.BITS - _SLOTS)).astype(np.int64)


def _postings(table: grams.Sets, places: Any, counts: Any, share: int, shares: int) -> Any:
    """The prefixes of the sets as `lists.pairs` takes them: of a `share` of all lists."""
    slots, sizes = _slots(table), table.sizes
    row = np.repeat(np.arange(len(sizes)), sizes)
    common = np.minimum(counts[slots], (1 << 21) - 1)
    ordered = np.sort(row << (_SLOTS + 21) | common << _SLOTS | slots)
    within = np.arange(len(ordered)) - np.repeat(table.starts, sizes)
    each = np.repeat(sizes, sizes)
    slot = ordered & ((1 << _SLOTS) - 1)
    some = (within < each - (4 * each + 4) // 5 + 1) & (slot % shares == share)
    begins = within < each - (8 * each + 8) // 9 + 1
    return lists.posting(slot[some], np.repeat(places, sizes)[some], begins[some])
