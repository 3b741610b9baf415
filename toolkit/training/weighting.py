"""How much each row counts: weights in the loss by class, and how often an epoch shows a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ToolkitError, did_you_mean
from toolkit.reading import Encoded
from toolkit.training.config import Regularise

WEIGHT = "weight"  # of an encoded row in the loss; 1 where it has none


def weighted(rows: Encoded, wanted: Regularise, names: Sequence[str]) -> Encoded:
    """The rows, each with its weight where classes have weights; the mean of all weights is 1.

    A batch's loss is the mean of weight x loss, not divided by the batch's own weights: so a batch of one rare class
    keeps its weight, and accumulated batches step as one.

    Args:
        names: the classes in the order of the model's outputs.

    Raises:
        ToolkitError: no row has a weight above 0; and what `named` raises.
    """
    if wanted.class_weights == "none" and not wanted.weights:
        return rows
    shares = _shares(rows, len(names))
    of_class = named(wanted.weights, names) if wanted.weights else _inverse(shares.counts(), 1.0)
    weights = shares.mean(of_class)
    if not weights.any():
        raise ToolkitError("regularise.weights give every row of train 0", "give a class that has rows a weight")
    weights /= weights.mean()
    return [row | {WEIGHT: float(weight)} for row, weight in zip(rows, weights, strict=True)]


def heaviest(rows: Encoded) -> float:
    """The greatest weight of a row in the loss."""
    return max(row[WEIGHT] for row in rows) if rows and WEIGHT in rows[0] else 1.0


def often(rows: Encoded, oversample: float, classes: int) -> NDArray[np.float64] | None:
    """How often an epoch shows each row, on average: n^-oversample of its class, as many in all as there are rows.

    0 shows every row once (None: the sampler need not draw), 1 every class as often as any other.
    """
    if not oversample:
        return None
    shares = _shares(rows, classes)
    rates = shares.mean(_inverse(shares.counts(), oversample))
    return np.asarray(rates / rates.mean())


class _Shares:
    """The classes of rows: which row has how much of which class, the shares of a row adding up to 1 (or none)."""

    def __init__(self, rows: int, classes: int, entries: Sequence[tuple[int, int, float]]) -> None:
        self.rows, self.classes = rows, classes
        self.row, self.label = (np.array([entry[i] for entry in entries], dtype=np.int64) for i in (0, 1))
        self.share = np.array([entry[2] for entry in entries])

    def counts(self) -> NDArray[np.float64]:
        return np.bincount(self.label, self.share, self.classes).astype(np.float64)

    def mean(self, of_class: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each row's mean over its classes; the mean of all rows for one that has none."""
        found = np.bincount(self.row, self.share * of_class[self.label], self.rows).astype(np.float64)
        has = np.bincount(self.row, minlength=self.rows) > 0
        found[~has] = found[has].mean()
        return found


def _shares(rows: Encoded, classes: int) -> _Shares:
    """From a row's `label_weights` (a mixture), or its `labels`: a number, or a list of them, each the same share."""
    if not rows or "labels" not in rows[0]:
        raise ToolkitError("rows without a class have no class weights", "leave --class-weights and --oversample out")
    entries: list[tuple[int, int, float]] = []
    for i, row in enumerate(rows):
        shares, labels = row.get("label_weights"), row["labels"]
        if shares is not None:
            entries += [(i, label, float(share)) for label, share in enumerate(shares) if share]
        elif isinstance(labels, list):
            entries += [(i, label, 1 / len(labels)) for label in labels]
        else:
            entries.append((i, int(labels), 1.0))
    return _Shares(len(rows), classes, entries)


def _inverse(counts: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Of classes the weight n^-power; of a class without rows 0."""
    return np.where(counts > 0, np.maximum(counts, 1e-12) ** -power, 0.0)


def named(weights: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """The classes' weights, 1 where none is given.

    Raises:
        ToolkitError: a class that is not there, or weights of 0 alone.
    """
    for name in weights:
        if name not in names:
            raise ToolkitError(f"regularise.weights: there is no class '{name}'", did_you_mean(name, names))
    found = np.array([weights.get(name, 1.0) for name in names])
    if not found.any():
        raise ToolkitError("regularise.weights are all 0", "give one of them a weight")
    return found
