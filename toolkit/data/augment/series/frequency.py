"""Changes of a time series in the frequency domain: see `warps` for what a series is.

A band is a run of neighbouring frequencies, at a random place, the same share of all in each channel; the mean is
never part of it. Wen et al., 2021: "Time series data augmentation for deep learning: a survey"; Gao et al., 2020:
"RobustTAD" (amplitudes and phases of a band).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toolkit.data.augment.series.warps import Series, longest
from toolkit.data.augment.strategy import Positive, Share

SHORTEST = 4  # samples: two frequencies besides the mean


def frequency_masking(series: Series, rng: np.random.Generator, *, share: Share = 0.1) -> list[Any] | None:
    """Take a band of `share` of the frequencies out (one at least); Park et al., 2019, on the whole series."""
    return _in_band(series, rng, share, lambda band: np.zeros(len(band)))


def phase_perturbation(
    series: Series, rng: np.random.Generator, *, sigma: Positive = 0.3, share: Share = 0.5
) -> list[Any] | None:
    """Add normal noise of `sigma` radians to the phases of a band; the amplitudes stay (Gao et al., 2020)."""
    return _in_band(series, rng, share, lambda band: band * np.exp(1j * rng.normal(0, sigma, len(band))), real=False)


def amplitude_noise(
    series: Series, rng: np.random.Generator, *, sigma: Positive = 0.2, share: Share = 0.5
) -> list[Any] | None:
    """Multiply the amplitudes of a band by factors from N(1, sigma), none below 0; the phases stay.

    Gao et al., 2020, draw them anew from the band's mean and variance; a factor leaves its peaks where they are.
    """
    return _in_band(series, rng, share, lambda band: band * np.maximum(rng.normal(1, sigma, len(band)), 0))


def _in_band(
    series: Series, rng: np.random.Generator, share: float, change: Callable[[Any], Any], real: bool = True
) -> list[Any] | None:
    """The series with `change` made to a band of each channel's spectrum.

    real: whether the highest frequency of an even length, which has no phase, may be in the band.
    """
    if longest(series) < SHORTEST:
        return None
    place, out = rng.random(), []
    for channel in series:
        length = len(channel)
        if length < SHORTEST:
            out.append(channel)
            continue
        spectrum = np.fft.rfft(channel)
        many = length // 2 if real else (length - 1) // 2
        width = min(max(1, round(share * many)), many)
        start = 1 + int(place * (many - width + 1))
        spectrum[start : start + width] = change(spectrum[start : start + width])
        out.append(np.fft.irfft(spectrum, length))
    return out
