import numpy as np
import pytest

from toolkit.data.augment.image.mixing import cutmix, fitted, mixup
from toolkit.data.augment.image.transforms import Rng

DARK, BRIGHT = (np.full((30, 44, 3), value, dtype=np.uint8) for value in (20, 220))


def test_mixup_is_the_weighted_mean():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 30, 44, 3), dtype=np.uint8)
    for seed in range(30):
        out, share = mixup(one, other, Rng(seed), alpha=1.0)
        assert 0.5 <= share <= 1
        assert np.abs(out - (share * one + (1 - share) * other)).max() <= 0.51
        assert (out.shape, out.dtype) == (one.shape, np.uint8)


def test_cutmix_pastes_one_box_and_counts_its_pixels():
    seen = set()
    for seed in range(60):
        out, share = cutmix(DARK, BRIGHT, Rng(seed))
        pasted = (out == 220).all(axis=2)
        assert ((out == 20).all(axis=2) | pasted).all()
        assert share == pytest.approx(1 - pasted.mean())
        assert 0.5 <= share <= 1
        rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
        assert pasted.sum() == len(rows) * len(columns)  # one box
        if len(rows):
            seen.add((rows[0] == 0, rows[-1] == 29, columns[0] == 0, columns[-1] == 43))
    assert len(seen) > 4  # in the middle and clipped at edges
    assert np.array_equal(DARK, np.full_like(DARK, 20))


def test_the_box_shows_the_same_place_of_the_partner():
    place = np.arange(30 * 44 * 3, dtype=np.int64).reshape(30, 44, 3).astype(np.uint8)
    out, share = cutmix(np.zeros_like(place), place, Rng(4))
    assert share < 1
    pasted = out > 0
    assert np.array_equal(out[pasted], place[pasted])


@pytest.mark.parametrize("method", [mixup, cutmix])
def test_alpha_decides_how_far_images_are_mixed(method):
    def mean(alpha):
        return np.mean([method(DARK, BRIGHT, Rng(seed), alpha=alpha)[1] for seed in range(200)])

    assert mean(0.1) > mean(1.0) > mean(20.0)
    if method is mixup:  # the larger of two uniform shares is three quarters in the mean
        assert mean(1.0) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("method", [mixup, cutmix])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 1)])
def test_tiny_images(method, shape):
    for seed in range(10):
        out, share = method(DARK[: shape[0], : shape[1]], BRIGHT[: shape[0], : shape[1]], Rng(seed))
        assert out.shape == (*shape, 3)
        assert 0 <= share <= 1


@pytest.mark.parametrize("size", [(30, 44), (60, 80), (7, 5), (100, 10), (1, 1)])
def test_a_partner_is_fitted(size):
    steps = np.linspace(0, 200, size[1]).astype(np.uint8)
    out = fitted(np.broadcast_to(steps[None, :, None], (*size, 3)).copy(), 30, 44)
    assert out.shape == (30, 44, 3)
    assert out.mean() == pytest.approx(steps.mean(), abs=6)
