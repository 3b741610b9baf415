"""How much at home a model is with a content: scores that are lower for what is unlike its training.

Those of the logits need nothing else. Those of the features (what the last layer reads) are fitted on training rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation import metrics

Array = Any  # numpy array
NEIGHBOURS = (1, 10)
AT_ONCE = 1024  # rows whose similarity to all training rows is held
NARROW = 2  # the principal space of ViM has a width of one part in so many of the features', as its authors' for narrow


@dataclass(frozen=True)
class Seen:
    """What a model makes of rows. logits: (rows, classes); features: (rows, width), None where it does not show them.

    several: whether each class is told by itself.
    """

    logits: Array
    features: Array | None = None
    several: bool = False


Score = Callable[[Seen], Array]  # (rows,)


def scores(train: Seen | None, labels: Array | None) -> dict[str, Score]:
    """The methods by name that what is at hand allows.

    Args:
        train: what the model makes of training rows; None: the methods of the logits alone.
        labels: their class numbers; None where rows have several.
    """
    found: dict[str, Score] = {"max_softmax": max_softmax, "energy": energy}
    if train is None or train.features is None:
        return found
    found |= {f"knn_{count}": neighbours(train.features, count) for count in NEIGHBOURS}
    if labels is not None:
        means, spread = gaussians(train.features, labels)
        nearest = mahalanobis(means, spread)
        anyhow = mahalanobis(*gaussians(train.features, np.zeros_like(labels)))
        found |= {
            "mahalanobis": nearest,
            "relative_mahalanobis": lambda seen: nearest(seen) - anyhow(seen),
            "vim": vim(train),
        }
    return found


def max_softmax(seen: Seen) -> Array:
    """The probability of the likeliest class (Hendrycks & Gimpel, 2017)."""
    return (metrics.sigmoid if seen.several else metrics.softmax)(seen.logits).max(1)


def energy(seen: Seen) -> Array:
    """Minus the free energy of the logits (Liu et al., 2020); of several classes a row the sum (Wang et al., 2021)."""
    return np.logaddexp(0, seen.logits).sum(1) if seen.several else np.logaddexp.reduce(seen.logits, axis=1)


def gaussians(features: Array, labels: Array) -> tuple[Array, Array]:
    """Means (classes that occur, width) and the precision matrix that the classes share (Lee et al., 2018).

    The covariance is shrunk as Ledoit & Wolf (2004) do, so that few rows of many features have one too.
    """
    from sklearn.covariance import ledoit_wolf

    _, codes = np.unique(labels, return_inverse=True)
    means = np.zeros((codes.max() + 1, features.shape[1]))
    np.add.at(means, codes, features)
    means /= np.bincount(codes)[:, None]
    covariance, _ = ledoit_wolf(features - means[codes], assume_centered=True)
    return means, np.linalg.pinv(covariance, hermitian=True)


def mahalanobis(means: Array, precision: Array) -> Score:
    """Minus the squared Mahalanobis distance to the nearest mean (Lee et al., 2018).

    Less the same distance to the mean of all rows it is the relative one (Ren et al., 2021).
    """
    values, vectors = np.linalg.eigh(precision)
    root = vectors * np.sqrt(np.maximum(values, 0))
    centres = means @ root

    def score(seen: Seen) -> Array:
        own = seen.features @ root
        squares = (own**2).sum(1)[:, None] - 2 * own @ centres.T + (centres**2).sum(1)
        return -squares.min(1)

    return score


def neighbours(features: Array, count: int) -> Score:
    """The cosine to the `count`-th nearest training row (Sun et al., 2022: the distance of normalised features)."""
    known = _unit(features).astype(np.float32)
    place = -min(count, len(known))

    def score(seen: Seen) -> Array:
        assert seen.features is not None
        own = _unit(seen.features).astype(np.float32)
        parts = [own[start : start + AT_ONCE] @ known.T for start in range(0, len(own), AT_ONCE)]
        return np.concatenate([np.partition(part, place, axis=1)[:, place] for part in parts])

    return score


def vim(train: Seen) -> Score:
    """Virtual-logit matching (Wang et al., 2022): energy less the scaled norm of what the principal space leaves over.

    The origin is the point whose logits are zero; the last layer that it takes is linear, so it is told from what that
    layer read and said.
    """
    features, logits = train.features, train.logits
    assert features is not None
    layer, *_ = np.linalg.lstsq(np.column_stack([features, np.ones(len(features))]), logits, rcond=None)
    origin = -layer[-1] @ np.linalg.pinv(layer[:-1])
    _, vectors = np.linalg.eigh((features - origin).T @ (features - origin))  # ascending
    rest = vectors[:, : features.shape[1] - features.shape[1] // NARROW]

    def residual(seen: Seen) -> Array:
        return np.linalg.norm((seen.features - origin) @ rest, axis=1)

    scale = logits.max(1).sum() / max(residual(train).sum(), 1e-12)
    return lambda seen: energy(seen) - scale * residual(seen)


def _unit(features: Array) -> Array:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
