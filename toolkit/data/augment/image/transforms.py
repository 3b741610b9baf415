"""What is done to the pixels of one image: Albumentations 2.0.8 (Buslaev et al., 2020) behind plain functions.

Each is `(image, rng, *, parameters) -> image`: uint8 RGB of shape (height, width, 3) to the same size. What moves in
from outside the picture is mirrored: a black edge would tell a model that a row was augmented. OpenCV is called
directly where Albumentations fails on small images or takes several times as long.
"""

from __future__ import annotations

import functools
import math
from random import Random
from typing import Annotated, Any

import numpy as np

from toolkit import quiet
from toolkit.data.augment.strategy import Between, Share

Pixels = Any  # uint8 (height, width, 3)
Half = Annotated[float, Between(0, 0.5)]
Part = Annotated[float, Between(0.02, 1)]
Factor = Annotated[float, Between(0.1, 10)]
Degrees = Annotated[float, Between(0, 180)]
Tilt = Annotated[float, Between(0, 60)]
Number = Annotated[int, Between(1, 100)]  # of what is drawn one by one
Quality = Annotated[int, Between(1, 100)]
MIRROR = 4  # cv2.BORDER_REFLECT_101
VEIL = 32  # pixels of a side: fog is drawn at this size


class Rng(Random):
    """The random numbers of one child; numpy's generator, as slow to make as some transforms, is made once."""

    @functools.cached_property
    def arrays(self) -> np.random.Generator:
        return np.random.default_rng(self.getrandbits(64))


@functools.lru_cache(maxsize=256)
def _transform(name: str, **options: Any) -> Any:
    """The transform of this name, always applied; it takes as long to make as to apply."""
    return getattr(quiet.albumentations(), name)(p=1.0, **options)


def _apply(image: Pixels, rng: Rng, name: str, **options: Any) -> Pixels:
    transform = _transform(name, **options)
    transform.set_random_state(rng.arrays, rng)
    return transform(image=image)["image"]


def _span(low: float, high: float) -> tuple[float, float]:
    return (low, high) if low <= high else (high, low)


def _around(limit: float) -> tuple[float, float]:
    return -limit, limit


# --- where things are -------------------------------------------------------------------------------------------


def horizontal_flip(image: Pixels, rng: Rng) -> Pixels:
    """Left and right change places."""
    return _apply(image, rng, "HorizontalFlip")


def vertical_flip(image: Pixels, rng: Rng) -> Pixels:
    """Top and bottom change places."""
    return _apply(image, rng, "VerticalFlip")


def rotate(image: Pixels, rng: Rng, *, limit: Degrees = 15.0) -> Pixels:
    """Turn about the centre by up to `limit` degrees either way."""
    angle = math.radians(rng.uniform(-limit, limit))
    cos, sin = math.cos(angle), math.sin(angle)
    return _affine(image, ((cos, sin), (-sin, cos)))


def scale(image: Pixels, rng: Rng, *, low: Factor = 0.9, high: Factor = 1.1) -> Pixels:
    """Enlarge about the centre by a factor between `low` and `high`."""
    factor = rng.uniform(low, high)
    return _affine(image, ((factor, 0.0), (0.0, factor)))


def shift(image: Pixels, rng: Rng, *, limit: Share = 0.1) -> Pixels:
    """Move by up to `limit` of each side."""
    height, width = image.shape[:2]
    return _affine(image, np.eye(2), (rng.uniform(-limit, limit) * width, rng.uniform(-limit, limit) * height))


def shear(image: Pixels, rng: Rng, *, limit: Tilt = 10.0) -> Pixels:
    """Slant along both axes by up to `limit` degrees each."""
    x, y = (math.tan(math.radians(rng.uniform(-limit, limit))) for _ in "xy")
    return _affine(image, ((1.0, x), (y, 1.0)))


def _affine(image: Pixels, matrix: Any, moved: tuple[float, float] = (0.0, 0.0)) -> Pixels:
    """The picture under a matrix about its centre, then moved by (x, y) pixels; Albumentations' takes much longer."""
    import cv2

    height, width = image.shape[:2]
    centre = np.array(((width - 1) / 2, (height - 1) / 2))
    whole = np.column_stack((matrix, centre - matrix @ centre + moved))
    return cv2.warpAffine(image, whole, (width, height), flags=cv2.INTER_LINEAR, borderMode=MIRROR)


def perspective(image: Pixels, rng: Rng, *, strength: Half = 0.06) -> Pixels:
    """View from an angle: each corner moves in by a normal draw, whose deviation is up to `strength` of the sides."""
    return _apply(image, rng, "Perspective", scale=(strength / 2, strength), border_mode=MIRROR)


def crop(image: Pixels, rng: Rng, *, low: Share = 0.8) -> Pixels:
    """Cut out a part of the same shape with at least `low` of the area, and enlarge it to the old size."""
    import cv2

    height, width = image.shape[:2]
    side = math.sqrt(rng.uniform(low, 1.0))
    h, w = max(1, round(height * side)), max(1, round(width * side))
    y, x = rng.randint(0, height - h), rng.randint(0, width - w)
    return cv2.resize(image[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_LINEAR)


def grid_distortion(image: Pixels, rng: Rng, *, limit: Share = 0.3, steps: Number = 5) -> Pixels:
    """Stretch and squeeze the cells of a grid of `steps` by up to `limit` of their sides."""
    limits = {"num_steps": min(steps, *image.shape[:2]), "distort_limit": _around(min(limit, 0.99))}
    return _apply(image, rng, "GridDistortion", border_mode=MIRROR, **limits)


def elastic(image: Pixels, rng: Rng, *, strength: Share = 0.02, knots: Number = 6) -> Pixels:
    """Move pixels by a smooth random field (Simard et al., 2003), in the mean by `strength` of the shorter side.

    The field is drawn at `knots` points of each axis and is cubic between them, so that its look and its cost do not
    depend on the resolution (Albumentations' takes a second for six megapixels).
    """
    import cv2

    height, width = image.shape[:2]
    field = rng.arrays.standard_normal((knots, knots, 2), dtype=np.float32)
    moved = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(
        strength * min(height, width)
    )
    moved[..., 0] += np.arange(width, dtype=np.float32)
    moved[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(image, moved, None, cv2.INTER_LINEAR, borderMode=MIRROR)  # type: ignore[call-overload]


# --- colour and light -------------------------------------------------------------------------------------------


def color_jitter(
    image: Pixels,
    rng: Rng,
    *,
    brightness: Share = 0.2,
    contrast: Share = 0.2,
    saturation: Share = 0.2,
    hue: Half = 0.05,
) -> Pixels:
    """Multiply brightness, contrast and saturation by 1 ± a share, turn the hue by up to a share of the circle."""
    return _apply(image, rng, "ColorJitter", brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)


def brightness_contrast(image: Pixels, rng: Rng, *, brightness: Share = 0.2, contrast: Share = 0.2) -> Pixels:
    """Multiply the values by 1 ± `contrast` (black stays black), add up to ± `brightness` of the full range."""
    limits = {"brightness_limit": _around(brightness), "contrast_limit": _around(contrast)}
    return _apply(image, rng, "RandomBrightnessContrast", **limits)


def gamma(image: Pixels, rng: Rng, *, low: Factor = 0.8, high: Factor = 1.25) -> Pixels:
    """Raise the brightness to a power between `low` and `high`."""
    return _apply(image, rng, "RandomGamma", gamma_limit=_span(low * 100, high * 100))


def clahe(image: Pixels, rng: Rng, *, clip: Annotated[float, Between(1, 100)] = 4.0, tiles: Number = 8) -> Pixels:
    """Spread the contrast tile by tile (contrast limited adaptive histogram equalisation; Zuiderveld, 1994)."""
    return _apply(image, rng, "CLAHE", clip_limit=(1.0, clip), tile_grid_size=(tiles, tiles))


def hsv_shift(
    image: Pixels,
    rng: Rng,
    *,
    hue: Annotated[float, Between(0, 180)] = 20.0,
    saturation: Annotated[float, Between(0, 255)] = 30.0,
    value: Annotated[float, Between(0, 255)] = 20.0,
) -> Pixels:
    """Shift hue (in units of two degrees), saturation and value (of 255) by up to so much either way."""
    limits = {"hue_shift_limit": hue, "sat_shift_limit": saturation, "val_shift_limit": value}
    return _apply(image, rng, "HueSaturationValue", **{name: _around(limit) for name, limit in limits.items()})


def to_hsv(image: Pixels, rng: Rng) -> Pixels:
    """Hue, saturation and value (each 0 to 255) in place of red, green and blue."""
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)


def grey(image: Pixels, rng: Rng) -> Pixels:
    """Luminance alone, in three equal channels."""
    import cv2

    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # ToGray fails on one column


def equalize(image: Pixels, rng: Rng) -> Pixels:
    """Spread the brightness evenly over the whole range."""
    return _apply(image, rng, "Equalize", by_channels=False)


def solarize(image: Pixels, rng: Rng, *, low: Share = 0.5, high: Share = 0.9) -> Pixels:
    """Turn to the negative what is brighter than a threshold between `low` and `high` of the full range."""
    return _apply(image, rng, "Solarize", threshold_range=_span(low, high))


def posterize(image: Pixels, rng: Rng, *, bits: Annotated[int, Between(1, 7)] = 4) -> Pixels:
    """Keep the upper `bits` of each channel's eight."""
    return _apply(image, rng, "Posterize", num_bits=(bits, bits))


def shadow(image: Pixels, rng: Rng, *, strength: Share = 0.5) -> Pixels:
    """One or two polygons darkened by up to `strength`, half of it at least."""
    darkened = {"shadow_roi": (0.0, 0.0, 1.0, 1.0), "shadow_intensity_range": (strength / 2, strength)}
    return _apply(image, rng, "RandomShadow", **darkened)


def fog(image: Pixels, rng: Rng, *, strength: Share = 0.4) -> Pixels:
    """A white veil, uneven, that takes in the mean up to `strength` of the light, half of that at least.

    Albumentations draws it, on a small black canvas, and it is scaled: drawn on the picture itself its strength would
    follow the size more than the coefficient, at a copy of the picture for each of a thousand puffs.
    """
    import cv2

    canvas = np.zeros((VEIL, VEIL, 3), dtype=np.uint8)
    drawn = _apply(canvas, rng, "RandomFog", fog_coef_range=(1.0, 1.0))[..., 0].astype(np.float32)
    drawn *= rng.uniform(strength / 2, strength) / drawn.mean()
    veil = cv2.resize(drawn.clip(0, 1), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.rint(image + (255 - image) * veil[..., None]).astype(np.uint8)


def rain(image: Pixels, rng: Rng, *, brightness: Part = 0.7, slant: Annotated[int, Between(0, 45)] = 10) -> Pixels:
    """Streaks of rain that lean by up to `slant` pixels, in light of `brightness`."""
    return _apply(image, rng, "RandomRain", brightness_coefficient=brightness, slant_range=_around(slant))


# --- what a camera and a file do ----------------------------------------------------------------------------------


def blur(image: Pixels, rng: Rng, *, sigma: Annotated[float, Between(0, 100)] = 2.0) -> Pixels:
    """Gaussian blur of up to `sigma` pixels, a quarter of it at least."""
    if sigma < 0.02:  # too little for any neighbour to count; of 0 the library makes what is not a number
        return image
    return _apply(image, rng, "GaussianBlur", sigma_limit=(sigma / 4, sigma), blur_limit=0)


def motion_blur(image: Pixels, rng: Rng, *, length: Annotated[int, Between(3, 255)] = 7) -> Pixels:
    """Blur along a line of up to `length` pixels in any direction."""
    return _apply(image, rng, "MotionBlur", blur_limit=(3, length | 1))


def noise(image: Pixels, rng: Rng, *, sigma: Share = 0.1) -> Pixels:
    """Gaussian noise with a standard deviation of up to `sigma` of the full range, a quarter of it at least."""
    return _apply(image, rng, "GaussNoise", std_range=(sigma / 4, sigma))


def jpeg(image: Pixels, rng: Rng, *, low: Quality = 20, high: Quality = 70) -> Pixels:
    """What saving as JPEG with a quality between `low` and `high` leaves."""
    return _apply(image, rng, "ImageCompression", quality_range=_span(low, high))


def downscale(image: Pixels, rng: Rng, *, low: Part = 0.4, high: Part = 0.8) -> Pixels:
    """Lose resolution: reduce by a factor between `low` and `high`, and enlarge to the old size."""
    import cv2

    height, width = image.shape[:2]
    factor = rng.uniform(low, high)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def sharpen(image: Pixels, rng: Rng, *, low: Share = 0.2, high: Share = 0.5) -> Pixels:
    """Blend with a sharpened copy, whose share is between `low` and `high`."""
    return _apply(image, rng, "Sharpen", alpha=_span(low, high), lightness=(1.0, 1.0))  # else it darkens too


def coarse_dropout(
    image: Pixels, rng: Rng, *, holes: Number = 4, size: Annotated[float, Between(0, 0.99)] = 0.2
) -> Pixels:
    """Fill up to `holes` rectangles, each up to `size` of the sides, with one colour each (Zhong et al., 2017)."""
    sides = {f"hole_{side}_range": (size / 2, size) for side in ("height", "width")}
    return _apply(image, rng, "CoarseDropout", num_holes_range=(1, holes), fill="random_uniform", **sides)
