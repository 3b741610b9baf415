"""New rows of a table, many at a time.

A method is `(frame, rows, points, **parameters) -> Drawn`: `rows` are the parents' numbers, `points` a function that
gives (rows, n) independent uniform numbers between 0 and 1, the same for the same children. A gap of the parent is a
gap of the child; where the partner alone has a gap, the parent's value stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np

from toolkit.data.augment.strategy import Between, Positive
from toolkit.data.augment.table.frame import Frame

Points = Callable[[int], Any]
Neighbours = Annotated[int, Between(1, 100)]


class Drawn(NamedTuple):
    """What a method made of some rows."""

    values: Any  # (rows, numbers) float64
    codes: Any  # (rows, categories)
    partner: Any  # (rows,) the second parent; -1: none
    share: Any  # (rows,) of the first parent
    able: Any  # (rows,) bool: whether the method can do something with the row


def smote(frame: Frame, rows: Any, points: Points, *, k: Neighbours = 5) -> Drawn:
    """A random point between the row and one of its `k` nearest of the class (SMOTE, Chawla et al., 2002).

    Categories are the commonest of the k (SMOTE-NC, in the same paper), of several one at random.
    """
    near = frame.near(k)[rows]
    many, u = (near >= 0).sum(1), points(3)
    partner = near[np.arange(len(rows)), _drawn(u[:, 0], np.maximum(many, 1))].astype(np.int64)
    values = _between(frame.values[rows], frame.values[partner], 1 - u[:, 1])
    return Drawn(values, _commonest(frame, rows, near, u[:, 2]), partner, 1 - u[:, 1], many > 0)


def borderline_smote(frame: Frame, rows: Any, points: Points, *, k: Neighbours = 5, m: Neighbours = 10) -> Drawn:
    """SMOTE of the rows at the border alone (borderline-SMOTE1, Han et al., 2005).

    At the border is a row of whose `m` nearest at least half, but not all, are of other classes.
    """
    made = smote(frame, rows, points, k=k)
    return made._replace(able=made.able & frame.danger(m)[rows])


def linear_mixing(frame: Frame, rows: Any, points: Points, *, alpha: Annotated[float, Between(0.01)] = 1.0) -> Drawn:
    """Mix with any row of the class, with a share from Beta(alpha, alpha) of the lesser (mixup, Zhang et al., 2018).

    Each category is that of one of the two, with its share as the probability.
    """
    from scipy.special import betaincinv

    u = points(2 + len(frame.categories))
    mates = [frame.classes.mate(int(row), point) for row, point in zip(rows, u[:, 0], strict=True)]
    partner = np.array(mates, dtype=np.int64)
    share = betaincinv(alpha, alpha, u[:, 1])
    share = np.maximum(share, 1 - share)
    values = _between(frame.values[rows], frame.values[partner], share)
    own, theirs = frame.codes[rows], frame.codes[partner]
    codes = np.where((u[:, 2:] < share[:, None]) | (own < 0) | (theirs < 0), own, theirs)
    return Drawn(values, codes, partner, share, partner >= 0)


def jitter(frame: Frame, rows: Any, points: Points, *, sigma: Positive = 0.1) -> Drawn:
    """Add normal noise of `sigma` standard deviations (of the column in the class), folded back into train's range."""
    from scipy.special import ndtri

    own, width = frame.values[rows], np.maximum(frame.high - frame.low, 1e-300)
    noise = sigma * ndtri(points(len(frame.names))) * frame.deviations(rows)
    past = (own + noise - frame.low) % (2 * width)
    values = np.where(noise == 0, own, frame.low + np.minimum(past, 2 * width - past))
    none = np.full(len(rows), -1)
    return Drawn(values, frame.codes[rows], none, np.ones(len(rows)), ~np.isnan(own).all(1))


def _between(own: Any, other: Any, share: Any) -> Any:
    mixed = share[:, None] * own + (1 - share[:, None]) * other
    return np.where(np.isnan(other) | (other == own), own, mixed)  # the mean of equals is off by the last digit


def _drawn(point: Any, many: Any) -> Any:
    """A number below `many`, by a point between 0 and 1."""
    return np.minimum((point * many).astype(np.int64), many - 1)


def _commonest(frame: Frame, rows: Any, near: Any, point: Any) -> Any:
    """(rows, categories): of each the commonest among the neighbours, of several one by a point."""
    out = frame.codes[rows].copy()
    for j in range(len(frame.categories)):
        votes = np.where(near >= 0, frame.codes[near, j], -1)  # (rows, k)
        counts = (votes[:, :, None] == votes[:, None, :]).sum(2) * (votes >= 0)
        best = (counts == counts.max(1, keepdims=True)) & (votes >= 0)
        asked = _drawn(point, np.maximum(best.sum(1), 1))
        chosen = votes[np.arange(len(rows)), np.argmax(best.cumsum(1) > asked[:, None], 1)]
        out[:, j] = np.where((out[:, j] >= 0) & best.any(1), chosen, out[:, j])
    return out
