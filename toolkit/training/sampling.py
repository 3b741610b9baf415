"""Batches of like length, in an order that seed and epoch decide: a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

CHUNK = 50  # batches sorted together: enough that lengths agree, few enough that batches differ between epochs


class LengthGroupedBatches:
    """A batch sampler: rows are shuffled, sorted by length within chunks, and the batches shuffled again."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = np.asarray(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(len(self.lengths))
        chunk = CHUNK * self.batch_size
        parts = [order[i : i + chunk] for i in range(0, len(order), chunk)]
        order = np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in parts])
        batches = [order[i : i + self.batch_size].tolist() for i in range(0, len(order), self.batch_size)]
        return (batches[i] for i in rng.permutation(len(batches)))
