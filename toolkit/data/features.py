"""What a linear model reads of images, series and tables: one vector a row."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

SIDE, CELL, BINS, COLOURS = 64, 8, 9, 4  # of an image's histograms of gradients, and of its colours
LENGTH, GROUPS = 256, 8  # steps that a series is brought to; sums of channels that kernels look at
TAPS, HEAVY = 9, 3  # of a kernel, and how many of them weigh 2 (the others -1)
QUANTILES = (0.2, 0.5, 0.8)
SAMPLE = 64  # series that the kernels' biases come from


def vectors(kind: str, table: pa.Table, seed: int = 0) -> Any:
    """float32 (rows, width); of a table's gaps NaN."""
    if kind == "image":
        return np.stack([_image(cell) for cell in table.column("image").to_pylist()])
    if kind == "series":
        return _series(table.column("series").to_pylist(), seed)
    return _table(table)


def _image(cell: Any) -> Any:
    """Histograms of oriented gradients (Dalal and Triggs, 2005) of 64 x 64 pixels in cells of 8, and 4 x 4 colours."""
    from toolkit.data.images.decode import decode

    picture = decode((cell or {}).get("bytes")).image
    pixels = np.asarray(picture.resize((SIDE, SIDE)), np.float32) / 255
    down, right = np.gradient(pixels.mean(2))
    strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    place = np.arange(SIDE) // CELL
    where = (place[:, None] * (SIDE // CELL) + place) * BINS + np.minimum(angle / np.pi * BINS, BINS - 1).astype(int)
    cells = np.bincount(where.ravel(), strength.ravel(), (SIDE // CELL) ** 2 * BINS).reshape(-1, BINS)
    cells = np.sqrt(cells / (cells.sum(1, keepdims=True) + 0.1))
    colours = np.asarray(picture.resize((COLOURS, COLOURS)), np.float32).ravel() / 255
    return np.r_[cells.ravel(), colours].astype(np.float32)


def _series(rows: list[Any], seed: int) -> Any:
    """Shares of positive values after MiniRocket's kernels (Dempster et al., 2021), gaps and lengths evened out."""
    rng = np.random.default_rng(seed)
    channels = max(len(row) for row in rows)
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
            biases = np.quantile(found[rng.integers(len(rows), size=SAMPLE)], QUANTILES)
            out += [(found > bias).mean(1) for bias in biases]
    return np.stack(out, 1).astype(np.float32)


def _even(row: Any, channels: int) -> Any:
    """A series as (channels, LENGTH), standardised, gaps filled along time; a missing channel is flat."""
    out = np.zeros((channels, LENGTH), dtype=np.float32)
    for c, values in enumerate(row):
        channel = np.array([np.nan if v is None else v for v in values], np.float64)
        known = np.flatnonzero(np.isfinite(channel))
        if len(known):
            out[c] = np.interp(np.linspace(0, len(channel) - 1, LENGTH), known, channel[known])
    spread = out.std()
    return (out - out.mean(1, keepdims=True)) / (spread if spread > 0 else 1)


def _table(table: pa.Table) -> Any:
    """Numbers standardised, categories as 0 and 1; all columns weigh alike."""
    import pyarrow as pa

    from toolkit.data.roles import features_of

    out = []
    for name in features_of(table.column_names):
        column = table.column(name)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            values = column.cast(pa.float64()).to_numpy()
            spread = np.nanstd(values) if np.isfinite(values).any() else 0
            out.append(((values - np.nanmean(values)) / spread if spread > 0 else np.zeros(len(values)))[:, None])
        else:
            codes = column.cast(pa.string()).combine_chunks().dictionary_encode()
            unit = np.eye(len(codes.dictionary) + 1)[codes.indices.fill_null(len(codes.dictionary)).to_numpy()]
            if unit.shape[1] <= 50:
                out.append(unit[:, :-1])
    return np.concatenate(out, 1).astype(np.float32) if out else np.zeros((table.num_rows, 1), np.float32)
