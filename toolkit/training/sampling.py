"""Batches of like length, in an order that seed and epoch decide: a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 50  # batches sorted together: enough that lengths agree, few enough that batches differ between epochs


class LengthGroupedBatches:
    """A batch sampler: rows are shuffled, sorted by length within chunks, and the batches shuffled again.

    Args:
        often: how often an epoch shows each row on average (mean 1); None: once.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, often: NDArray[np.float64] | None = None
    ) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = np.asarray(lengths), batch_size, seed, 0
        self.often = often

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(len(self.lengths))
        if self.often is not None:
            order = rng.permutation(_drawn(order, self.often, rng))
        chunk = CHUNK * self.batch_size
        parts = [order[i : i + chunk] for i in range(0, len(order), chunk)]
        order = np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in parts])
        batches = [order[i : i + self.batch_size].tolist() for i in range(0, len(order), self.batch_size)]
        if len(batches) > 1 and len(batches[-1]) == 1 < self.batch_size:  # batch norm cannot learn from a row alone
            batches[-1].insert(0, batches[-2].pop())
        return (batches[i] for i in rng.permutation(len(batches)))


def _drawn(order: NDArray[np.int64], often: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many rows as there are, each as often as it should be, up to one more or less (systematic sampling)."""
    ends = np.cumsum(often[order])
    points = (np.arange(len(order)) + rng.random()) * (ends[-1] / len(order))
    picked = np.minimum(np.searchsorted(ends, points, side="right"), len(order) - 1)
    return np.asarray(order[picked])
