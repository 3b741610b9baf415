"""Near copies of images: a perceptual hash proposes pairs, a comparison of aligned thumbnails decides.

Near copies are the same picture written anew, resized, a little brighter or darker, with more or less contrast, or
cropped by up to 4% of a side. A mirrored picture, another colour or another object before the same background is not
one. Nor is a text laid over it: that cannot be told from another object. All of it happens on thumbnails, so what is
smaller than about a sixth of each side may go unseen: where the classes differ in such details, near copies are not
to be looked for. `scripts/bench/images.py` measures all this on a folder of images.

The hash of a picture is the signs of random projections (Charikar 2002) of its low DCT coefficients, luminance and
chroma, each times its frequency: pictures have amplitudes of about 1/frequency (Field 1987), so that the coefficients
weigh alike and a common background does not fill the buckets. To verify, gain, offset, shift and scale of both axes
are fitted by least squares (Lucas and Kanade 1981); then the least alike of 49 windows decides, not the mean:
photos with one background agree nearly everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.images.looks import COLOUR_SIDE, SIDE, Looks, look

# A pair that disagrees in a share d of the bits is proposed with probability 1 - (1 - (1 - d)^bits)^tables: there are
# tables enough for RECALL at d = APART, where crops by 4% lie; the other copies are nearer.
BITS = 16  # of a key, at least
APART, RECALL = 0.1, 0.9997
SEED = 7  # of the projections
LOW = 8  # DCT coefficients an axis
COSINE = 0.75  # candidates whose coefficients are less alike are no copies
FLAT = 8  # a picture whose luminance varies by no more has nothing to compare but its colour
SHIFT = 0.05  # how far alignment may move an edge, as a share of the side
GAIN, OFFSET = 1.5, 64.0  # limits of the change of contrast and brightness
# In the worst window the difference of means over MEANS plus the lack of structure over STRUCTURE may reach 1. Of 1,735
# photos of garments (68,765 pairs with a cosine above 0.5) the least wrong pair lies between 1.1 and 1.2.
MEANS, STRUCTURE = 8.0, 0.3
CORRELATION = 0.95
CONTRAST = 32.0  # standard deviation of the luminance from which differences count in full
COLOUR = 20.0  # largest difference of chroma in a cell of the 4 x 4
DARK, BRIGHT = 4, 250  # pixels beyond are clipped: the fit leaves them out
_AT_ONCE, _BLOCK = 1 << 14, 256


def pairs(
    images: Any, label: str = "near copies", seed: int = SEED, numbers: Any = None
) -> tuple[list[tuple[int, int]], int]:
    """The near-copy pairs (i < j) of the images (of the rows `numbers` alone, if given), and how many were compared.

    `images`: `Looks`, or what `look` takes. `seed` is that of the projections: another one finds what the first missed.
    Of pictures with equal pixels the first stands for all, as it does of flat ones (no structure) of one colour: each
    later one is paired with it, and with no other. An unreadable image is near nothing.
    """
    looks = images if isinstance(images, Looks) else look(images, label)
    first: dict[Any, int] = {}
    found, textured = [], []
    for i in range(len(looks)) if numbers is None else sorted(int(n) for n in numbers):
        if looks.error[i] is not None:
            continue
        original = first.setdefault(looks.digest[i].tobytes(), i)
        flat = original == i and np.ptp(looks.luma[i]) <= FLAT
        if flat:
            original = first.setdefault(_colour(looks, i), i)
        if original != i:
            found.append((original, i))
        elif not flat:
            textured.append(i)
    rows = np.array(textured, dtype=np.int64)
    checked = len(found)
    if len(rows) > 1:
        luma, chroma = looks.luma[rows], looks.chroma[rows]
        vectors = _vectors(luma, chroma)
        for left, right in _candidates(vectors, label, seed):
            checked += len(left)
            close = np.einsum("ij,ij->i", vectors[left], vectors[right]) >= COSINE
            left, right = left[close], right[close]
            same = alike(luma[left], luma[right], chroma[left], chroma[right])
            found += zip(rows[left[same]].tolist(), rows[right[same]].tolist(), strict=True)
    return sorted(found), checked


def _colour(looks: Looks, i: int) -> tuple[int, ...]:
    """The one colour of a flat picture, in steps of 8."""
    planes = (looks.luma[i], *looks.chroma[i])
    return tuple(round(float(plane.mean()) / 8) for plane in planes)


def _vectors(luma: Any, chroma: Any) -> Any:
    """Low DCT coefficients times frequency, of length 1: float32 (n, 64 + 32)."""
    out = np.empty((len(luma), LOW**2 + 2 * COLOUR_SIDE**2), dtype=np.float32)
    fine, coarse = _cosines(SIDE, LOW), _cosines(COLOUR_SIDE, COLOUR_SIDE)
    grid = np.hypot(*np.meshgrid(np.arange(LOW), np.arange(LOW))).astype(np.float32)
    for i in range(0, len(luma), _AT_ONCE):
        y = luma[i : i + _AT_ONCE].astype(np.float32)
        low = (fine @ y @ fine.T) * grid  # the frequency 0, brightness, is left out by its weight
        colours = coarse @ (chroma[i : i + _AT_ONCE].astype(np.float32) - 128) @ coarse.T
        colours *= 2 * np.maximum(grid[:COLOUR_SIDE, :COLOUR_SIDE], 1)
        block = np.concatenate([low.reshape(len(y), -1), colours.reshape(len(y), -1)], axis=1)
        out[i : i + len(y)] = block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-6)
    return out


def _cosines(size: int, count: int) -> Any:
    """The first rows of the DCT, scaled so that a coefficient does not depend on `size`: float32 (count, size)."""
    angles = np.pi / size * np.outer(np.arange(count), np.arange(size) + 0.5)
    return (np.cos(angles) * np.where(np.arange(count) == 0, 1, np.sqrt(2))[:, None] / size).astype(np.float32)


def _candidates(vectors: Any, label: str, seed: int = SEED) -> Iterator[tuple[Any, Any]]:
    """Pairs that agree in all bits of a table, each at most once, in blocks of bounded size."""
    width, tables = _keys_for(len(vectors))
    planes = np.random.default_rng(seed).standard_normal((vectors.shape[1], tables * width)).astype(np.float32)
    keys = np.empty((len(vectors), tables), dtype=np.uint32)
    weights = (1 << np.arange(width)).astype(np.uint32)
    for i in range(0, len(vectors), _BLOCK):
        bits = (vectors[i : i + _BLOCK] @ planes > 0).reshape(-1, tables, width)
        keys[i : i + len(bits)] = bits @ weights
    for table in console.track(range(tables), label):
        for left, right in _buckets(keys[:, table]):
            # a pair that an earlier table proposed was compared there
            fresh = ~(keys[left, :table] == keys[right, :table]).any(1)
            if fresh.any():
                yield left[fresh], right[fresh]


def _keys_for(count: int) -> tuple[int, int]:
    """Bits of a key and how many keys: the more pictures, the longer, or the buckets would grow with their number."""
    bits = max(BITS, count.bit_length() + 3)
    return bits, math.ceil(math.log(1 - RECALL) / math.log(1 - (1 - APART) ** bits))


def _buckets(key: Any) -> Iterator[tuple[Any, Any]]:
    """All pairs (left < right) with equal keys."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    at, distance = np.arange(len(key) - 1), 1
    while len(at):
        at = at[ordered[at] == ordered[at + distance]]
        for i in range(0, len(at), _AT_ONCE):
            block = at[i : i + _AT_ONCE]
            yield order[block], order[block + distance]
        distance += 1
        at = at[at + distance < len(key)]


def alike(luma_a: Any, luma_b: Any, chroma_a: Any, chroma_b: Any) -> Any:
    """Whether each pair of thumbnails (uint8, as in `Looks`) shows one picture: bool (n,).

    Either way round: a crop cannot be carried to what it was cut from, nor clipped light brought back.
    """
    out = np.zeros(len(luma_a), dtype=bool)
    for i in range(0, len(out), _BLOCK):
        a, b = (_smooth(luma[i : i + _BLOCK]) for luma in (luma_a, luma_b))
        ca, cb = (chroma[i : i + _BLOCK].astype(np.float32) - 128 for chroma in (chroma_a, chroma_b))
        good = _carried(a, b, ca, cb)
        rest = np.flatnonzero(~good)
        good[rest] = _carried(b[rest], a[rest], cb[rest], ca[rest])
        out[i : i + _BLOCK] = good
    return out


def _carried(a: Any, b: Any, chroma_a: Any, chroma_b: Any) -> Any:
    """Whether a, moved and lit otherwise, is b."""
    out = np.zeros(len(a), dtype=bool)
    good = np.flatnonzero(_one_colour(a, b, chroma_a, chroma_b))
    for half in (True, False):  # most pairs are told apart at half the size
        if len(good):
            x, y = (_halved(a[good]), _halved(b[good])) if half else (a[good], b[good])
            good = good[_fit(x, y, 2.0 if half else 1.0)]
    out[good] = True
    return out


def _one_colour(a: Any, b: Any, chroma_a: Any, chroma_b: Any) -> Any:
    """Whether the chroma agrees in all cells, after the change of contrast; pale pictures must agree more closely."""
    contrast_a, contrast_b = a.std((1, 2)), b.std((1, 2))
    gain = np.clip((contrast_b + 1) / (contrast_a + 1), 1 / GAIN, GAIN)
    difference = np.abs(gain[:, None, None, None] * chroma_a - chroma_b).max((1, 2, 3))
    return difference <= COLOUR * np.clip(2 * contrast_b / CONTRAST, 0.5, 1)


def _smooth(thumbnails: Any) -> Any:
    """By 1 2 1 in both directions: aligning must not hang on single pixels."""
    p = np.pad(thumbnails.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    return (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16


def _halved(a: Any) -> Any:
    return a.reshape(len(a), a.shape[1] // 2, 2, -1, 2).mean((2, 4))


def _clipped(a: Any) -> Any:
    return (a <= DARK) | (a >= BRIGHT)


def _fit(a: Any, b: Any, limit: float) -> Any:
    """Align each a to its b and compare them; whether the worst window stays within `limit`: bool (n,)."""
    moved, inside = _warp(a, _align(a, b))
    inside = inside.astype(np.float32)
    free = inside * ~(_clipped(moved) | _clipped(b))
    few = free.sum((1, 2)) < 0.1 * inside.sum((1, 2))
    free[few] = inside[few]
    mean_a, mean_b = _mean(moved, free), _mean(b, free)
    x, y = moved - mean_a, b - mean_b
    gain = (_mean(x * y, free) + 1) / (_mean(x * x, free) + 1)
    offset = mean_b - gain * mean_a
    x, y = np.clip(gain * moved + offset, 0, 255), b
    contrast = np.sqrt(_mean((y - _mean(y, inside)) ** 2, inside))
    scale = np.clip(CONTRAST / np.maximum(contrast, 1e-6), 1, 5)
    worst = _worst_window(x * scale, y * scale, inside)
    x, y = x - _mean(x, inside), y - _mean(y, inside)
    correlation = _mean(x * y, inside) / np.sqrt(np.maximum(_mean(x * x, inside) * _mean(y * y, inside), 1e-6))
    sane = (gain > 1 / GAIN) & (gain < GAIN) & (np.abs(offset) < OFFSET) & (correlation >= CORRELATION)
    return sane[:, 0, 0] & (worst <= limit)


def _mean(x: Any, weight: Any) -> Any:
    return (x * weight).sum((1, 2), keepdims=True) / np.maximum(weight.sum((1, 2), keepdims=True), 1)


def _worst_window(x: Any, y: Any, inside: Any) -> Any:
    """The largest unlikeness of the 7 x 7 overlapping windows: of their means, and of their structure (as in SSIM)."""

    def windows(values: Any) -> Any:
        side = values.shape[1] // 8
        cells = (values * inside).reshape(len(values), 8, side, 8, side).sum((2, 4))
        return cells[:, :-1, :-1] + cells[:, 1:, :-1] + cells[:, :-1, 1:] + cells[:, 1:, 1:]

    count = np.maximum(windows(np.ones_like(x)), 1)
    mean_x, mean_y = windows(x) / count, windows(y) / count
    spread = windows(x * x) / count - mean_x**2 + windows(y * y) / count - mean_y**2
    shared = windows(x * y) / count - mean_x * mean_y
    structure = (2 * shared + 100) / (spread + 100)  # 100: differences below 10 grey levels count little
    return (np.abs(mean_x - mean_y) / MEANS + (1 - structure) / STRUCTURE).max((1, 2))


def _align(a: Any, b: Any) -> Any:
    """Shift and stretch of the rows and of the columns that carry a to b, in pixels at the edge: float32 (n, 4)."""
    n, side = a.shape[:2]
    u = np.linspace(-1, 1, side, dtype=np.float32)
    move = np.zeros((n, 4), dtype=np.float32)
    for _ in range(3):
        moved, inside = _warp(a, move)
        free = inside & ~_clipped(moved) & ~_clipped(b)
        down, right = np.gradient(moved, axis=(1, 2))
        terms = np.stack([down, down * u[:, None], right, right * u, moved, np.ones_like(moved)], axis=1)
        terms = terms.reshape(n, 6, -1)
        weighted = terms * free.reshape(n, 1, -1)
        normal = (weighted @ terms.transpose(0, 2, 1)).astype(np.float64)
        diagonal = np.einsum("ijj->ij", normal)
        diagonal += 1e-4 * diagonal + 1e-3  # solvable for flat pictures too
        solved = np.linalg.solve(normal, (weighted @ b.reshape(n, -1, 1)).astype(np.float64))[:, :, 0]
        step = solved[:, :4] / np.maximum(np.abs(solved[:, 4:5]), 0.3)
        move = np.clip(move + step, -SHIFT * side, SHIFT * side).astype(np.float32)
    return move


def _warp(a: Any, move: Any) -> tuple[Any, Any]:
    """Each a, shifted and stretched (bilinear), and which of its pixels lie inside."""
    grid = np.arange(a.shape[1], dtype=np.float32)
    u = np.linspace(-1, 1, a.shape[1], dtype=np.float32)

    def weights(shift: Any, stretch: Any) -> tuple[Any, Any]:
        at = grid + shift[:, None] + stretch[:, None] * u
        inside = (at > -0.5) & (at < a.shape[1] - 0.5)
        return np.maximum(0, 1 - np.abs(np.clip(at, 0, a.shape[1] - 1)[:, :, None] - grid)), inside

    rows, inside_rows = weights(move[:, 0], move[:, 1])
    columns, inside_columns = weights(move[:, 2], move[:, 3])
    return rows @ a @ columns.transpose(0, 2, 1), inside_rows[:, :, None] & inside_columns[:, None, :]
