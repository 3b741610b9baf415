"""Rows that show the ranges of a model's activations."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.reading import Encoded, Reader

MULTIPLE = 16  # of tokens, that texts are padded to


def stratified(labels: Sequence[Any], count: int, seed: int) -> list[int]:
    """Row numbers of a sample in which every class has its share.

    Args:
        labels: class numbers, or lists of them: such a row counts for the rarest of its classes.
    """
    rng = np.random.default_rng(seed)
    array = np.asarray(_rarest(labels) if labels and isinstance(labels[0], list) else labels)
    order = rng.permutation(len(array))
    # the k-th row of a class of n is at (k + 1/2) / n: sorting by it interleaves the classes by their shares
    rank = np.zeros(len(array))
    for label in np.unique(array):
        rows = order[array[order] == label]
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return [int(i) for i in np.argsort(rank, kind="stable")[:count]]


def _rarest(labels: Sequence[list[int]]) -> list[int]:
    counts = Counter(itertools.chain.from_iterable(labels))
    return [min(row, key=counts.__getitem__) for row in labels]


def halves(labels: Sequence[Any], seed: int) -> tuple[list[int], list[int]]:
    """Row numbers of two halves with equal shares of the classes: what is chosen on one is reported on the other."""
    first = stratified(labels, len(labels) // 2, seed)
    return sorted(first), sorted({*range(len(labels))}.difference(first))


def batches(reader: Reader, rows: Encoded) -> list[dict[str, Any]]:
    """Each row as a batch of its own, padded to one of few lengths, for each of which a runtime compiles anew."""
    return [reader.batch([row], reader.bucket(reader.size(row), MULTIPLE)) for row in rows]
