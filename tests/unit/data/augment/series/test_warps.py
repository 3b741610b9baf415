import numpy as np
import pytest

from toolkit.data.augment.series import METHODS, warps

LENGTHS = (120, 120, 77)
SEEDS = range(8)


def waves(lengths=LENGTHS, level=5.0):
    rng = np.random.default_rng(7)
    return [level + np.sin(np.linspace(0, 9 + i, n)) + 0.1 * rng.normal(size=n) for i, n in enumerate(lengths)]


def made(name, series, seed=0, **params):
    return METHODS[name](series, np.random.default_rng(seed), **params)


OTHERS = sorted(set(METHODS) - {"rotation", "linear_mixing"})


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("lengths", [(60,), LENGTHS, (40, 1, 2)])
def test_lengths_and_channels_are_kept_and_nothing_is_changed_in_place(name, lengths):
    series = waves(lengths)
    before = [c.copy() for c in series]
    with np.errstate(all="ignore"):
        out = made(name, series)
    assert [len(c) for c in out] == list(lengths)
    assert np.isfinite(out[0]).all()
    assert not np.allclose(out[0], series[0])
    for old, now in zip(before, series, strict=True):
        np.testing.assert_array_equal(old, now)


@pytest.mark.parametrize("name", OTHERS)
def test_the_generator_decides(name):
    series = waves()
    one, same = (np.concatenate(made(name, series, 3)) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert name == "flip" or any((np.concatenate(made(name, series, seed)) != one).any() for seed in SEEDS)


@pytest.mark.parametrize("sigma", [0.03, 0.5])
def test_jitter_is_measured_in_the_channels_deviations(sigma):
    series = [np.sin(np.arange(20_000)), 1000 * np.sin(np.arange(20_000)) + 5e4]
    out = made("jitter", series, sigma=sigma)
    for old, new in zip(series, out, strict=True):
        noise = (new - old) / old.std()
        assert noise.std() == pytest.approx(sigma, rel=0.05)
        assert abs(noise.mean()) < 0.05 * sigma
        assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.05


def test_scaling_is_one_factor_a_channel_about_the_mean():
    series, factors = waves((50, 50)), []
    for seed in range(800):
        for old, new in zip(series, made("scaling", series, seed, sigma=0.1), strict=True):
            ratio = (new - old.mean()) / (old - old.mean())
            assert np.ptp(ratio) < 1e-6
            factors.append(ratio[0])
    assert np.mean(factors) == pytest.approx(1, abs=0.01)
    assert np.std(factors) == pytest.approx(0.1, abs=0.01)
    assert abs(np.corrcoef(factors[::2], factors[1::2])[0, 1]) < 0.15  # each channel has a factor of its own


def test_magnitude_warp_multiplies_by_a_smooth_curve():
    series = [np.where(np.arange(200) % 2, 1.0, -1.0)]  # of mean 0, never 0
    for seed in SEEDS:
        curve = made("magnitude_warp", series, seed, sigma=0.2, knots=4)[0] / series[0]
        assert 0.01 < np.ptp(curve) < 2.5
        assert np.abs(np.diff(curve)).max() < 0.1
    ends = [made("magnitude_warp", series, seed, sigma=0.2)[0][1] for seed in range(400)]
    assert np.std(ends) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("name", ["time_warp", "window_warp"])
@pytest.mark.parametrize("seed", SEEDS)
def test_warps_of_time_keep_ends_range_and_order(name, seed):
    rising = [np.linspace(-3, 8, 100) ** 3, np.linspace(0, 1, 60)]
    for old, new in zip(rising, made(name, rising, seed), strict=True):
        assert new[0] == old[0]
        assert new[-1] == pytest.approx(old[-1])
        assert (np.diff(new) > 0).all()  # time never stands still, nor runs back
        assert np.abs(new - old).max() > 1e-3


def test_a_wild_time_warp_still_runs_forward():
    for seed in range(50):
        assert (np.diff(made("time_warp", [np.arange(80.0)], seed, sigma=3.0)[0]) > 0).all()


@pytest.mark.parametrize("name", ["time_warp", "window_warp", "permutation", "slicing"])
def test_time_is_changed_alike_in_all_channels(name):
    series = [np.arange(90.0), 5 * np.arange(90.0) - 3]
    for seed in SEEDS:
        one, two = made(name, series, seed)
        np.testing.assert_allclose(two, 5 * one - 3)


def test_window_warp_runs_one_window_at_another_speed():
    """Of a ramp the slope tells the speed: one in the window, one outside, `factor` apart."""
    found = set()
    for seed in range(20):
        slopes = np.diff(made("window_warp", [np.arange(1001.0)], seed, share=0.2, factor=3.0)[0])
        usual = np.median(slopes)
        other = slopes[np.abs(slopes / usual - 1) > 0.5]
        speed = np.median(other) / usual
        found.add(round(speed, 2))
        assert np.sum(other) == pytest.approx(200, abs=5)  # of the old samples
    assert found == {3.0, 0.33}


def test_permutation_moves_whole_parts():
    series = [np.arange(20.0), np.arange(100.0, 130.0)]
    orders = set()
    for seed in range(40):
        one, two = made("permutation", series, seed, segments=4)
        order = tuple(int(v) for v in one[::5] // 5)
        assert order != (0, 1, 2, 3)
        orders.add(order)
        np.testing.assert_array_equal(one, np.concatenate([np.arange(20.0).reshape(4, 5)[i] for i in order]))
        np.testing.assert_array_equal(np.sort(two), series[1])
    assert len(orders) > 10


def test_permutation_of_a_short_series_has_parts_of_two():
    np.testing.assert_array_equal(made("permutation", [np.arange(4.0)], segments=9)[0], [2, 3, 0, 1])
    assert made("permutation", [np.arange(3.0)]) is None
    assert made("permutation", [np.arange(30.0)], segments=1) is None


def test_slicing_stretches_a_window():
    starts = []
    for seed in range(200):
        out = made("slicing", [np.arange(101.0)], seed, share=0.8)[0]
        np.testing.assert_allclose(np.diff(out), 0.8)
        starts.append(out[0])
        assert out[-1] <= 100
    assert min(starts) < 2
    assert max(starts) > 18


def test_rotation_keeps_lengths_of_vectors_and_turns_all_sensors_alike():
    x = np.random.default_rng(0).normal(size=(3, 50))
    for seed in SEEDS:
        out = np.stack(made("rotation", [*x, *(2 * x)], seed))
        np.testing.assert_allclose(np.linalg.norm(out[:3], axis=0), np.linalg.norm(x, axis=0))
        np.testing.assert_allclose(out[3:], 2 * out[:3])
        np.testing.assert_allclose(np.cross(out[0:3, 0], out[0:3, 1]), turned(out[:3], x) @ np.cross(x[:, 0], x[:, 1]))
        small = np.stack(made("rotation", list(x), seed, degrees=1.0))
        assert 0 < np.linalg.norm(small - x, axis=0).max() < 0.1


def turned(after, before):
    """The matrix that was applied."""
    return after @ np.linalg.pinv(before)


@pytest.mark.parametrize("lengths", [(20,), (20, 20), (20, 20, 21)])
def test_rotation_needs_three_axes(lengths):
    assert made("rotation", waves(lengths)) is None


def test_flip_mirrors_at_the_mean():
    series = waves((30,))
    out = made("flip", series)[0]
    np.testing.assert_allclose(out + series[0], 2 * series[0].mean())


def test_linear_mixing_leaves_the_first_the_greater_share():
    a, b, shares = [np.zeros(9), np.zeros(4)], [np.ones(9), 2 * np.ones(4)], []
    for seed in range(300):
        one, two = warps.linear_mixing(a, np.random.default_rng(seed), b, alpha=1.0)
        assert np.ptp(one) == 0
        np.testing.assert_allclose(two, 2 * one[0])
        shares.append(1 - one[0])
    assert 0.5 <= min(shares) < 0.52
    assert np.mean(shares) == pytest.approx(0.75, abs=0.02)
    assert warps.linear_mixing(a, np.random.default_rng(0), a[:1]) is None
    assert warps.linear_mixing(a, np.random.default_rng(0), [np.zeros(9), np.zeros(5)]) is None


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("length", range(1, 8))
def test_a_short_series_is_no_error(name, length):
    with np.errstate(all="ignore"):
        out = made(name, [np.arange(float(length))])
    assert out is None or [len(c) for c in out] == [length]


@pytest.mark.parametrize(("name", "least"), [("time_warp", 6), ("magnitude_warp", 6), ("window_warp", 15)])
def test_shorter_than_the_warp(name, least):
    assert made(name, [np.arange(least - 1.0)]) is None
    assert made(name, [np.arange(float(least))]) is not None
