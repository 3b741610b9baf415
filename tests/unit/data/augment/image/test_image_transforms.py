import inspect
import math
import random
import typing
import warnings

import numpy as np
import pytest

from toolkit.data.augment import image as augmenting
from toolkit.data.augment import strategy
from toolkit.data.augment.image import transforms
from toolkit.data.augment.image.transforms import Rng

SINGLE = {name: method for name, method in augmenting.METHODS.items() if method.__module__ == transforms.__name__}
TINY = [(1, 1), (1, 2), (2, 1), (3, 3), (1, 9), (9, 1), (7, 5), (2, 40)]


def picture(height=48, width=64, seed=0):
    """Soft colours, a bright box, and a little texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    out = np.stack((60 + 2 * x, 40 + 3 * y, 160 - x - y), axis=-1).astype(float)
    out[height // 4 : height // 2, width // 3 : width // 2] = (220, 60, 90)
    return (out + rng.integers(-8, 9, out.shape)).clip(0, 255).astype(np.uint8)


PICTURE = picture()


def test_there_are_enough():
    assert len(SINGLE) >= 26
    behind = sum("_apply(" in inspect.getsource(method) for method in SINGLE.values())
    assert behind >= 20  # by Albumentations


@pytest.mark.parametrize("name", SINGLE)
def test_a_transform_changes_the_picture_and_nothing_else(name):
    before = PICTURE.copy()
    before.setflags(write=False)
    out = SINGLE[name](before, Rng(1))
    assert (out.shape, out.dtype) == (PICTURE.shape, np.uint8)
    assert not np.array_equal(out, PICTURE)
    assert np.array_equal(before, PICTURE)


@pytest.mark.parametrize("name", SINGLE)
def test_the_seed_alone_decides(name):
    """Neither what was done before nor the generators of the process play a part."""
    method = SINGLE[name]
    first = method(PICTURE, Rng(5))
    np.random.seed(1)
    random.seed(1)
    for seed in range(3):
        method(picture(30, 20, seed), Rng(seed))
    np.random.seed(2)
    random.seed(2)
    assert np.array_equal(first, method(PICTURE, Rng(5)))
    if len(inspect.signature(method).parameters) > 2 and name not in ("posterize", "clahe"):  # whole steps
        assert any(not np.array_equal(first, method(PICTURE, Rng(seed))) for seed in range(6, 12))


@pytest.mark.parametrize("name", SINGLE)
def test_a_tiny_picture_is_worked_on_or_refused(name):
    for shape in TINY:
        before = picture(*shape)
        try:
            out = SINGLE[name](before, Rng(0))
        except Exception:  # what the modality passes over
            continue
        assert (out.shape, out.dtype) == (before.shape, np.uint8), shape


NOTHING = {
    "rotate": {"limit": 0.0},
    "scale": {"low": 1.0, "high": 1.0},
    "shift": {"limit": 0.0},
    "shear": {"limit": 0.0},
    "crop": {"low": 1.0},
    "elastic": {"strength": 0.0},
    "color_jitter": {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
    "brightness_contrast": {"brightness": 0.0, "contrast": 0.0},
    "gamma": {"low": 1.0, "high": 1.0},
    "shadow": {"strength": 0.0},
    "fog": {"strength": 0.0},
    "blur": {"sigma": 0.0},
    "noise": {"sigma": 0.0},
    "coarse_dropout": {"size": 0.0},
    "sharpen": {"low": 0.0, "high": 0.0},
    "downscale": {"low": 1.0, "high": 1.0},
}


@pytest.mark.parametrize("name", NOTHING)
def test_parameters_that_ask_for_nothing_change_nothing(name):
    out = SINGLE[name](PICTURE, Rng(3), **NOTHING[name])
    assert np.abs(out.astype(int) - PICTURE).max() <= 1


@pytest.mark.parametrize("name", SINGLE)
def test_every_value_that_is_allowed_works(name):
    """At both bounds of each parameter: neither an error of the library, nor hours of work."""
    large = picture(100, 120)
    for parameter, (default, annotation) in strategy.parameters(SINGLE[name]).items():
        bounds = next(mark for mark in typing.get_args(annotation) if isinstance(mark, strategy.Between))
        assert math.isfinite(bounds.high), parameter
        for value in (bounds.low, bounds.high):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                out = SINGLE[name](large, Rng(1), **{parameter: type(default)(value)})
            assert (out.shape, out.dtype) == (large.shape, np.uint8)


STRONGER = {  # a parameter, weak and strong
    "rotate": ("limit", 2.0, 60.0),
    "shift": ("limit", 0.02, 0.4),
    "shear": ("limit", 1.0, 40.0),
    "perspective": ("strength", 0.02, 0.3),
    "crop": ("low", 0.98, 0.2),
    "elastic": ("strength", 0.005, 0.1),
    "grid_distortion": ("limit", 0.05, 0.9),
    "brightness_contrast": ("brightness", 0.01, 0.6),
    "hsv_shift": ("hue", 0.0, 170.0),
    "shadow": ("strength", 0.1, 0.9),
    "fog": ("strength", 0.1, 0.9),
    "rain": ("brightness", 0.9, 0.2),
    "blur": ("sigma", 0.4, 8.0),
    "motion_blur": ("length", 3, 31),
    "noise": ("sigma", 0.01, 0.4),
    "jpeg": ("high", 90, 1),
    "downscale": ("low", 0.9, 0.1),
    "sharpen": ("high", 0.2, 1.0),
    "coarse_dropout": ("size", 0.05, 0.8),
    "posterize": ("bits", 7, 1),
    "solarize": ("low", 0.9, 0.1),
    "clahe": ("clip", 1.0, 40.0),
    "scale": ("high", 1.0, 3.0),
    "gamma": ("high", 1.0, 6.0),
    "color_jitter": ("brightness", 0.0, 1.0),
}


@pytest.mark.parametrize("name", STRONGER)
def test_parameters_matter(name):
    parameter, weak, strong = STRONGER[name]

    def change(value):
        given = {parameter: value} | ({"low": value} if name == "jpeg" else {})
        given |= {"high": value} if name == "downscale" else {}
        made = [SINGLE[name](PICTURE, Rng(seed), **given) for seed in range(6)]
        return np.mean([np.abs(out.astype(int) - PICTURE).mean() for out in made])

    assert change(strong) > 1.3 * change(weak)


def test_flips_and_greys_are_exact():
    assert np.array_equal(transforms.horizontal_flip(PICTURE, Rng(0)), PICTURE[:, ::-1])
    assert np.array_equal(transforms.vertical_flip(PICTURE, Rng(0)), PICTURE[::-1])
    grey = transforms.grey(PICTURE, Rng(0)).astype(float)
    assert np.abs(grey - (PICTURE @ (0.299, 0.587, 0.114))[..., None]).max() <= 1
    hsv = transforms.to_hsv(np.full((2, 2, 3), (0, 0, 200), dtype=np.uint8), Rng(0))
    assert hsv[0, 0].tolist() == pytest.approx([170, 255, 200], abs=1)  # blue is at two thirds of the circle


def test_a_turn_is_about_the_centre_and_within_its_limit():
    dot = np.zeros((41, 41, 3), dtype=np.uint8)
    dot[20, 20] = dot[20, 32] = 255  # the centre, and a place to its right
    for seed in range(20):
        out = transforms.rotate(dot, Rng(seed), limit=30.0)[..., 0].astype(float)
        assert out[20, 20] == 255
        out[18:23, 18:23] = 0
        y, x = (np.indices(out.shape) * out).sum(axis=(1, 2)) / out.sum() - 20
        assert np.hypot(x, y) == pytest.approx(12, abs=0.5)
        assert abs(np.degrees(np.arctan2(y, x))) < 31


def test_a_scale_keeps_the_centre_and_a_shift_moves_by_its_share():
    dot = np.zeros((41, 81, 3), dtype=np.uint8)
    dot[20, 50] = 255

    def found(out):
        return (np.indices(out.shape[:2]) * out[..., 0]).sum(axis=(1, 2)) / out[..., 0].sum()

    assert found(transforms.scale(dot, Rng(0), low=2.0, high=2.0)) == pytest.approx((20, 60), abs=0.3)
    moved = np.array([found(transforms.shift(dot, Rng(seed), limit=0.2)) for seed in range(30)]) - (20, 50)
    assert np.abs(moved[:, 0]).max() <= 0.2 * 41 + 0.1
    assert np.abs(moved[:, 1]).max() <= 0.2 * 81 + 0.1
    assert np.abs(moved).max(axis=0) == pytest.approx((8.2, 16.2), rel=0.2)


def test_what_moves_in_is_mirrored():
    bright = np.full((30, 40, 3), 200, dtype=np.uint8)
    for name in ("rotate", "shift", "shear", "scale", "perspective", "elastic", "grid_distortion"):
        assert SINGLE[name](bright, Rng(2)).min() == 200, name


def test_fog_takes_its_share_of_the_light_at_any_size():
    for shape in ((20, 30), (200, 120)):
        dark = np.zeros((*shape, 3), dtype=np.uint8)
        shares = [transforms.fog(dark, Rng(seed), strength=0.4).mean() / 255 for seed in range(12)]
        assert 0.15 < min(shares) < max(shares) < 0.42


def test_equalizing_spreads_the_brightness_and_leaves_the_colours():
    dark = (picture() // 3).astype(np.uint8)
    out = transforms.equalize(dark, Rng(0)).astype(int)
    light = out @ (0.299, 0.587, 0.114)
    assert light.max() - light.min() > 1.8 * np.ptp(dark @ (0.299, 0.587, 0.114))
    assert ((out[..., 0] > out[..., 2]) == (dark[..., 0] > dark[..., 2])).mean() > 0.95  # red stays red, blue blue


def test_sharpening_leaves_the_light_as_it_is():
    flat = np.full((20, 30, 3), 120, dtype=np.uint8)
    for seed in range(5):
        assert np.abs(transforms.sharpen(flat, Rng(seed), low=1.0, high=1.0).astype(int) - 120).max() <= 1
