import numpy as np
import pytest

from toolkit.data.augment.series import frequency


def noise(length=200, level=3.0):
    return level + np.random.default_rng(1).normal(size=length)


def spectra(method, channel, seed=0, **params):
    out = method([channel], np.random.default_rng(seed), **params)[0]
    assert np.isrealobj(out)
    assert len(out) == len(channel)
    return np.fft.rfft(channel), np.fft.rfft(out)


@pytest.mark.parametrize("length", [200, 201])
@pytest.mark.parametrize("seed", range(6))
def test_masking_takes_one_band_out(length, seed):
    before, after = spectra(frequency.frequency_masking, noise(length), seed, share=0.1)
    gone = np.flatnonzero(np.abs(after) < 1e-9)
    np.testing.assert_array_equal(gone, np.arange(gone[0], gone[0] + 10))
    kept = np.setdiff1d(np.arange(len(before)), gone)
    np.testing.assert_allclose(after[kept], before[kept])
    assert 0 not in gone


def test_masking_reaches_every_frequency():
    gone = set()
    for seed in range(200):
        gone |= set(np.flatnonzero(np.abs(spectra(frequency.frequency_masking, noise(40), seed)[1]) < 1e-9).tolist())
    assert gone == set(range(1, 21))


@pytest.mark.parametrize("length", [200, 201])
@pytest.mark.parametrize("seed", range(6))
def test_phases_change_by_sigma_and_amplitudes_stay(length, seed):
    before, after = spectra(frequency.phase_perturbation, noise(length), seed, sigma=0.3, share=0.5)
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-9)
    turned = np.angle(after / before)
    moved = np.flatnonzero(np.abs(turned) > 1e-9)
    assert moved[-1] - moved[0] == len(moved) - 1
    assert len(moved) == round(0.5 * ((length - 1) // 2))
    assert moved[0] > 0
    assert moved[-1] <= (length - 1) // 2
    assert np.std(turned[moved]) == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_amplitudes_change_by_sigma_and_phases_stay(seed):
    before, after = spectra(frequency.amplitude_noise, noise(), seed, sigma=0.2, share=0.5)
    ratio = after / before
    np.testing.assert_allclose(ratio.imag, 0, atol=1e-9)
    moved = np.flatnonzero(np.abs(ratio.real - 1) > 1e-9)
    assert len(moved) == 50
    assert moved[-1] - moved[0] == 49
    assert np.std(ratio.real[moved]) == pytest.approx(0.2, abs=0.08)
    wild = spectra(frequency.amplitude_noise, noise(), seed, sigma=3.0, share=1.0)
    assert (wild[1] / wild[0]).real.min() > -1e-9


@pytest.mark.parametrize("method", ["frequency_masking", "phase_perturbation", "amplitude_noise"])
def test_the_mean_stays_and_short_channels_too(method):
    out = getattr(frequency, method)([noise(), np.arange(3.0)], np.random.default_rng(0))
    assert out[0].mean() == pytest.approx(noise().mean())
    np.testing.assert_array_equal(out[1], np.arange(3.0))
    assert getattr(frequency, method)([np.arange(3.0)], np.random.default_rng(0)) is None
