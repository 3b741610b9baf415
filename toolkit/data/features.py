"""What a linear model reads of images, series and tables: one vector a row."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console

if TYPE_CHECKING:
    import pyarrow as pa

SIDE, CELL, BINS, COLOURS = 64, 8, 9, 4  # of an image's histograms of gradients, and of its colours
LENGTH, GROUPS = 256, 8  # steps that a series is brought to; sums of channels that kernels look at
TAPS, HEAVY = 9, 3  # of a kernel, and how many of them weigh 2 (the others -1)
QUANTILES = (0.2, 0.5, 0.8)
SAMPLE = 64  # series that the kernels' biases come from
BATCH = 64  # images that are held at a time


def vectors(kind: str, table: pa.Table, rows: Any, fitted: int, seed: int = 0) -> Any:
    """float32 (rows, width); NaN for a table's gaps and for an image that cannot be read.

    Args:
        rows: the numbers of the table's rows to look at, in this order.
        fitted: so many of them, the first ones, say what is scaled by how much: no vector depends on the others.
    """
    if kind == "image":
        column = table.column("image")
        blocks = (column.take(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH))
        cells = (cell for block in blocks for cell in block.to_pylist())
        return np.stack([_image(cell) for cell in console.track(cells, "looking at the images", len(rows))])
    if kind == "series":
        return _series(table.column("series").take(rows).to_pylist(), fitted, seed)
    return _table(table.take(rows), fitted)


def _image(cell: Any) -> Any:
    """Histograms of oriented gradients (Dalal and Triggs, 2005) of 64 x 64 pixels in cells of 8, and 4 x 4 colours."""
    from toolkit.data.images.decode import Unreadable, decode

    try:
        picture = decode((cell or {}).get("bytes")).image
    except Unreadable:
        return np.full((SIDE // CELL) ** 2 * BINS + 3 * COLOURS**2, np.nan, np.float32)
    pixels = np.asarray(picture.resize((SIDE, SIDE)), np.float32) / 255
    down, right = np.gradient(pixels.mean(2))
    strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    place = np.arange(SIDE) // CELL
    where = (place[:, None] * (SIDE // CELL) + place) * BINS + np.minimum(angle / np.pi * BINS, BINS - 1).astype(int)
    cells = np.bincount(where.ravel(), strength.ravel(), (SIDE // CELL) ** 2 * BINS).reshape(-1, BINS)
    cells = np.sqrt(cells / (cells.sum(1, keepdims=True) + 0.1))
    colours = np.asarray(picture.resize((COLOURS, COLOURS)), np.float32).ravel() / 255
    return np.r_[cells.ravel(), colours].astype(np.float32)


def _series(rows: list[Any], fitted: int, seed: int) -> Any:
    """Shares of positive values after MiniRocket's kernels (Dempster et al., 2021), gaps and lengths evened out."""
    rng = np.random.default_rng(seed)
    channels = max(1, *(len(row or ()) for row in rows))
    even = np.stack([_even(row, channels) for row in rows])  # (rows, channels, steps)
    chosen = rng.random((GROUPS, channels)) < 0.5
    chosen[np.arange(GROUPS), rng.integers(channels, size=GROUPS)] = True
    sums = np.einsum("gc,rct->grt", chosen.astype(np.float32), even)
    kernels = list(itertools.combinations(range(TAPS), HEAVY))
    out = []
    for dilation in (2**i for i in range(int(np.log2(LENGTH / (TAPS - 1))))):
        reach = dilation * (TAPS // 2)
        padded = np.pad(sums, ((0, 0), (0, 0), (reach, reach)))
        taps = [padded[:, :, k * dilation : k * dilation + LENGTH] for k in range(TAPS)]
        base = -np.sum(taps, axis=0)
        for number, heavy in enumerate(kernels):
            group = number % GROUPS
            found = base[group] + 3 * sum(taps[k][group] for k in heavy)
            biases = np.quantile(found[rng.integers(fitted, size=SAMPLE)], QUANTILES)
            out += [(found > bias).mean(1) for bias in biases]
    return np.stack(out, 1).astype(np.float32)


def _even(row: Any, channels: int) -> Any:
    """A series as (channels, LENGTH), standardised, gaps filled along time; a missing channel is flat.

    All channels are divided by one number: how large they are beside each other tells classes apart.
    """
    out = np.zeros((channels, LENGTH))
    for c, values in enumerate(row or ()):
        channel = np.array([np.nan if v is None else v for v in values], np.float64)
        known = np.flatnonzero(np.isfinite(channel))
        if len(known):
            out[c] = np.interp(np.linspace(0, len(channel) - 1, LENGTH), known, channel[known])
    level = out.mean(1, keepdims=True)
    rounding = 1e-12 * np.abs(level).max()  # of the mean of a constant channel
    out -= level
    spread = out.std()
    return (out / spread if spread > rounding else np.zeros_like(out)).astype(np.float32)


def _table(table: pa.Table, fitted: int) -> Any:
    """Numbers standardised, categories as 0 and 1; all columns weigh alike."""
    import pyarrow as pa

    from toolkit.data.roles import features_of

    out = []
    for name in features_of(table.column_names):
        column = table.column(name)
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            values = column.cast(pa.float64(), safe=False).to_numpy().copy()
            values[~np.isfinite(values)] = np.nan
            known = values[:fitted][~np.isnan(values[:fitted])]
            spread = known.std() if len(known) else 0
            out.append(((values - known.mean()) / spread if spread > 0 else np.zeros(len(values)))[:, None])
        elif not pa.types.is_nested(kind):
            codes = column.cast(pa.string()).combine_chunks().dictionary_encode()
            unit = np.eye(len(codes.dictionary) + 1)[codes.indices.fill_null(len(codes.dictionary)).to_numpy()]
            if unit.shape[1] <= 50:
                out.append(unit[:, :-1])
    return np.concatenate(out, 1).astype(np.float32) if out else np.zeros((table.num_rows, 1), np.float32)
