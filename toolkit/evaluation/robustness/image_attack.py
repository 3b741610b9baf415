"""Attacks on images within `eps` of each pixel value: by gradients (FGSM, PGD), and without (square attack).

Images are uint8 (images, height, width, channels) as the model reads them; what comes back is so, too: an attack
counts that survives being written to a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # numpy array
Ask = Callable[[Array], Array]  # float32 pixels -> probabilities (images, classes)
Gradient = Callable[[Array, Array], Array]  # pixels, labels -> of the cross-entropy by each pixel value
SHARE = 0.8  # of the image that square attack's first squares cover (p of its authors, for L-infinity)
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries: where its squares get half the area


def fgsm(images: Array, labels: Array, gradient: Gradient, eps: float) -> Array:
    """One step of `eps` along the gradient's sign (Goodfellow et al., 2015)."""
    return _within(images + eps * np.sign(gradient(images.astype(np.float32), labels)), images, eps)


def pgd(images: Array, labels: Array, gradient: Gradient, eps: float, steps: int, seed: int) -> Array:
    """Steps of 2.5 eps / steps from a random start, brought back within `eps` each (Madry et al., 2018)."""
    rng = np.random.default_rng(seed)
    found = images + rng.uniform(-eps, eps, images.shape)
    for _ in range(steps):
        moved = found + 2.5 * eps / steps * np.sign(gradient(found.astype(np.float32), labels))
        found = np.clip(moved, np.maximum(images - eps, 0.0), np.minimum(images + eps, 255.0))
    return _within(found, images, eps)


def square(images: Array, labels: Array, ask: Ask, eps: float, queries: int, seed: int) -> tuple[Array, Array]:
    """Random squares of ±eps a channel, kept where they lower the margin (Andriushchenko et al., 2020).

    Returns:
        Attacked images, and how often the model was asked for each.
    """
    rng = np.random.default_rng(seed)
    count, height, width, channels = images.shape
    stripes = rng.choice([-eps, eps], (count, 1, width, channels))
    found, asked = _within(images + stripes, images, eps), np.ones(count, int)
    margins = _margins(ask(found.astype(np.float32)), labels)
    for query in range(1, queries):
        left = np.flatnonzero(margins > 0)
        if not len(left):
            break
        side = max(1, round(math.sqrt(_area(query, queries) * height * width)))
        side = min(side, height, width)
        tried = found[left].astype(np.float32)
        for image, own in zip(tried, images[left], strict=True):
            y, x = rng.integers(height - side + 1), rng.integers(width - side + 1)
            here = slice(y, y + side), slice(x, x + side)
            image[here] = own[here] + rng.choice([-eps, eps], channels)
        tried = _within(tried, images[left], eps)
        new = _margins(ask(tried.astype(np.float32)), labels[left])
        asked[left] += 1
        better = new < margins[left]
        found[left[better]], margins[left[better]] = tried[better], new[better]
    return found, asked


def _area(query: int, queries: int) -> float:
    """The share of an image that a square covers."""
    done = query / queries * 10_000
    return SHARE * 0.5 ** sum(done > at for at in HALVINGS)


def _margins(probabilities: Array, labels: Array) -> Array:
    """How far the true class is ahead of the next; at most 0 where it loses."""
    own = probabilities[np.arange(len(labels)), labels]
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return own - others.max(1)


def _within(found: Array, images: Array, eps: float) -> Array:
    """Whole pixel values at most `eps` from the images."""
    low, high = np.maximum(np.ceil(images - eps), 0), np.minimum(np.floor(images + eps), 255)
    return np.clip(np.rint(found), low, high).astype(np.uint8)
