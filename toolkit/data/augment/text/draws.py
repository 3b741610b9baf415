"""Random draws that cost nothing to start."""

from __future__ import annotations

from random import Random
from typing import Any

import xxhash

_BITS = 64


class Draws(Random):
    """A generator whose n-th draw is the hash of n under the seed (counter mode, as Philox; Salmon et al., 2011).

    `random.Random` fills 624 words for each seed, which takes longer than most methods need for a text.
    """

    def seed(self, a: Any = 0, version: int = 2) -> None:
        self._seed, self._drawn, self.gauss_next = int(a) & (2**_BITS - 1), 0, None

    def getrandbits(self, k: int) -> int:
        self._drawn += 1
        bits = xxhash.xxh3_64_intdigest(self._drawn.to_bytes(8, "little"), self._seed)
        return bits >> (_BITS - k) if k <= _BITS else bits << (k - _BITS) | self.getrandbits(k - _BITS)

    def random(self) -> float:
        self._drawn += 1
        return float((xxhash.xxh3_64_intdigest(self._drawn.to_bytes(8, "little"), self._seed) >> 11) * 2.0**-53)
