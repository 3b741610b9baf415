"""Changes of a time series in time and in size.

A series is a list of channels (float64 arrays, which may differ in length) without gaps; so is what comes back, each
channel as long as it was. Time is changed alike in all channels, sizes in each by itself. Sizes are in standard
deviations of the channel, away from its mean: for series of mean 0 and deviation 1 these are the papers' formulas. None
where the series is too short.

Um et al., 2017: "Data augmentation of wearable sensor data for Parkinson's disease monitoring"; Le Guennec et al.,
2016: "Data augmentation for time series classification using convolutional neural networks"; Iwana and Uchida, 2021:
"An empirical survey of data augmentation for time series classification with neural networks", whose defaults these
are where the papers differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from toolkit.data.augment.strategy import Between, Count, Positive, Share

Series = Sequence[Any]  # channels
Knots = Annotated[int, Between(1, 100)]

SLOWEST = 0.1  # of a time warp: time never stands still and never runs back


def jitter(series: Series, rng: np.random.Generator, *, sigma: Positive = 0.03) -> list[Any]:
    """Add normal noise of `sigma` standard deviations (Um et al., 2017)."""
    return [c + rng.normal(0, sigma, len(c)) * c.std() if len(c) else c for c in series]


def scaling(series: Series, rng: np.random.Generator, *, sigma: Positive = 0.1) -> list[Any]:
    """Multiply each channel's distance from its mean by one factor from N(1, sigma) (Um et al., 2017)."""
    return [_resized(c, rng.normal(1, sigma)) for c in series]


def magnitude_warp(
    series: Series, rng: np.random.Generator, *, sigma: Positive = 0.2, knots: Knots = 4
) -> list[Any] | None:
    """Multiply the distance from the mean by a spline through `knots` + 2 values from N(1, sigma) (Um et al., 2017)."""
    if longest(series) < knots + 2:
        return None
    return [_resized(c, _curve(len(c), rng.normal(1, sigma, knots + 2))) for c in series]


def time_warp(series: Series, rng: np.random.Generator, *, sigma: Positive = 0.2, knots: Knots = 4) -> list[Any] | None:
    """Let time run at a speed along a spline through `knots` + 2 values from N(1, sigma) (Um et al., 2017).

    The ends stay, and so does the range of the values.
    """
    if longest(series) < knots + 2:
        return None
    speeds = rng.normal(1, sigma, knots + 2)
    places = {length: _travelled(length, speeds) for length in set(map(len, series))}
    return [_read(c, places[len(c)]) for c in series]


def window_warp(
    series: Series,
    rng: np.random.Generator,
    *,
    share: Share = 0.1,
    factor: Annotated[float, Between(1)] = 2.0,
) -> list[Any] | None:
    """Stretch or squeeze (by even chance) one window of `share` of the length by `factor` (Le Guennec et al., 2016)."""
    if not 2 <= round(share * longest(series)) < longest(series):
        return None
    start, speed = rng.random() * (1 - share), factor ** rng.choice([-1.0, 1.0])
    old = np.array([0, start, start + share, 1])
    new = np.cumsum([0, start, share * speed, 1 - start - share])
    return [_read(c, np.interp(np.linspace(0, new[-1], len(c)), new, old) * (len(c) - 1)) for c in series]


def permutation(series: Series, rng: np.random.Generator, *, segments: Count = 4) -> list[Any] | None:
    """Cut the series into `segments` equal parts, of two samples or more, in another order (Um et al., 2017)."""
    segments = min(segments, longest(series) // 2)
    if segments < 2:
        return None
    order = rng.permutation(segments)
    if (order == np.arange(segments)).all():
        order = np.roll(order, 1)
    return [np.concatenate([parts[i] for i in order]) for parts in (np.array_split(c, segments) for c in series)]


def slicing(series: Series, rng: np.random.Generator, *, share: Share = 0.9) -> list[Any] | None:
    """Take a window of `share` of the length and stretch it to the whole (Le Guennec et al., 2016)."""
    if share * (longest(series) - 1) < 1:
        return None
    start = rng.random() * (1 - share)
    return [_read(c, np.linspace(start, start + share, len(c)) * (len(c) - 1)) for c in series]


def rotation(
    series: Series, rng: np.random.Generator, *, degrees: Annotated[float, Between(0, 180)] = 180.0
) -> list[Any] | None:
    """Turn three-axis sensors about a random axis by up to `degrees`, as if worn otherwise (Um et al., 2017).

    Channels are taken in threes (x, y, z), all turned alike; None where they cannot be.
    """
    if len(series) % 3 or any(len(c) != len(series[0]) for c in series):
        return None
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = np.radians(rng.uniform(-degrees, degrees))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])  # Rodrigues' formula
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return [channel for i in range(0, len(series), 3) for channel in turn @ np.stack(series[i : i + 3])]


def flip(series: Series, rng: np.random.Generator) -> list[Any]:
    """Mirror each channel at its mean (Iwana and Uchida, 2021): only where up and down mean the same."""
    return [_resized(c, -1.0) for c in series]


def linear_mixing(
    series: Series, rng: np.random.Generator, other: Series, *, alpha: Annotated[float, Between(0.01)] = 1.0
) -> list[Any] | None:
    """Mix with another series of the class, of the same lengths, with a share from Beta(alpha, alpha) of the lesser.

    Mixup (Zhang et al., 2018) within a class; None where the lengths differ.
    """
    if [len(c) for c in series] != [len(c) for c in other]:
        return None
    share = rng.beta(alpha, alpha)
    share = max(share, 1 - share)
    return [share * c + (1 - share) * o for c, o in zip(series, other, strict=True)]


def longest(series: Series) -> int:
    """The length of the longest channel."""
    return max(map(len, series), default=0)


def _resized(channel: Any, factor: Any) -> Any:
    if not len(channel):
        return channel
    mean = channel.mean()
    return mean + (channel - mean) * factor


def _read(channel: Any, places: Any) -> Any:
    """The channel at these places (in samples), linear between samples."""
    return np.interp(places, np.arange(len(channel)), channel) if len(channel) > 1 else channel


def _travelled(length: int, speeds: Any) -> Any:
    """Where time is at each sample, from 0 to length - 1."""
    speed = np.maximum(_curve(length, speeds), SLOWEST)
    path = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    return path / max(path[-1], 1e-9) * (length - 1)


def _curve(length: int, values: Any) -> Any:
    """A cubic spline through values at even distances."""
    return _basis(length, len(values)) @ values


@lru_cache(maxsize=16)
def _basis(length: int, knots: int) -> Any:
    """(length, knots): a spline is linear in its values, so one matrix does for all of a length."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.linspace(0, 1, knots), np.eye(knots))(np.linspace(0, 1, length))
