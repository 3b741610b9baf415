"""Natural noise at five strengths, and what it costs (as Hendrycks & Dietterich, 2019, measure it on images)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np

from toolkit.data.augment.text import chinese, noise
from toolkit.data.augment.text.eda import count, places, punctuation_insertion
from toolkit.data.text import is_cjk, tokens
from toolkit.evaluation import statistics

Array = Any  # numpy array
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4)  # of the words of a text that are changed, one at least
SIDE = 224  # pixels of an image that the radii of blur are for
# Of ImageNet-C, all five: standard deviation of the blur in pixels, quality, share of the full range that is added
BLUR, JPEG, BRIGHTNESS = (1, 2, 3, 4, 6), (25, 18, 15, 10, 7), (0.1, 0.2, 0.3, 0.4, 0.5)
Noise = Callable[[Any, Random, int], Any]  # content, draws, strength from 0 to 4 -> the noisy content


def typos(text: str, rng: Random, strength: int) -> str:
    """Slips in a share of the words: keys, swaps, letters lost or added; Chinese: characters of one sound or look."""
    slips = [noise.keyboard, noise.char_swap, noise.char_delete, noise.char_insert]
    if is_cjk(text):
        slips = [chinese.homophone, chinese.look_alike, noise.char_swap, noise.char_delete]
    slip = rng.choice(slips)
    return slip(tokens(text), rng, alpha=SHARES[strength]) or text


def case(text: str, rng: Random, strength: int) -> str:
    """A share of the words in capitals, as if the key were stuck; those in capitals without them."""
    cut = tokens(text)
    words = [i for i in places(cut) if cut[i].swapcase() != cut[i]]
    for i in rng.sample(words, min(len(words), count(words, SHARES[strength]))):
        cut[i] = cut[i].lower() if cut[i].isupper() else cut[i].upper()
    return "".join(cut)


def punctuation(text: str, rng: Random, strength: int) -> str:
    """Signs before words, of up to a share of them (AEDA; Karimi et al., 2021)."""
    return punctuation_insertion(tokens(text), rng, share=SHARES[strength]) or text


def blur(pixels: Array, rng: Random, strength: int) -> Array:
    """Gaussian blur; the radius is in proportion to the image's height."""
    from PIL import ImageFilter

    radius = BLUR[strength] * pixels.shape[0] / SIDE
    return _of(_picture(pixels).filter(ImageFilter.GaussianBlur(radius)), pixels)


def jpeg(pixels: Array, rng: Random, strength: int) -> Array:
    """What saving as JPEG leaves."""
    from PIL import Image

    buffer = io.BytesIO()
    _picture(pixels).save(buffer, "JPEG", quality=JPEG[strength])
    return _of(Image.open(buffer), pixels)


def brightness(pixels: Array, rng: Random, strength: int) -> Array:
    """Light added to all values."""
    return np.clip(pixels + np.float32(255 * BRIGHTNESS[strength]), 0, 255).round().astype(np.uint8)


KINDS: dict[str, dict[str, Noise]] = {
    "text": {"typos": typos, "case": case, "punctuation": punctuation},
    "image": {"blur": blur, "jpeg": jpeg, "brightness": brightness},
}
STRENGTHS: dict[str, Sequence[float]] = {"blur": BLUR, "jpeg": JPEG, "brightness": BRIGHTNESS}


def noisy(contents: Sequence[Any], kind: str, name: str, strength: int, seed: int) -> list[Any]:
    """The contents under a noise; each has draws of its own, and of a pair of texts both are changed."""
    make, out = KINDS[kind][name], []
    for i, content in enumerate(contents):
        rng = Random(f"{seed} {name} {strength} {i}")
        pair = isinstance(content, tuple)
        out.append(tuple(make(t, rng, strength) for t in content) if pair else make(content, rng, strength))
    return out


def figures(right: Array, by_kind: dict[str, list[Array]]) -> dict[str, Any]:
    """Accuracy at each strength (Wilson) and the mean drop, of each kind and over all.

    Args:
        right: whether a row is told right as it is, boolean (rows,); by_kind: at each strength of a noise.
    """
    every = [found for of_kind in by_kind.values() for found in of_kind]
    return {
        "rows": len(right),
        "accuracy": share(right),
        "drop": drop(right, every),
        "kinds": {
            name: {
                "strengths": list(STRENGTHS.get(name, SHARES)),
                "accuracy": [share(found) for found in of_kind],
                "drop": drop(right, of_kind),
            }
            for name, of_kind in by_kind.items()
        },
    }


def drop(right: Array, under: Sequence[Array]) -> dict[str, Any]:
    """The accuracy that is lost, in the mean over the strengths: of each row, so that the interval is a paired one."""
    return statistics.mean(right - np.mean(under, axis=0), "difference")


def share(right: Array) -> dict[str, float | None]:
    """The share that is right, with Wilson's interval."""
    return statistics.share(int(right.sum()), len(right))


def _picture(pixels: Array) -> Any:
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _of(picture: Any, pixels: Array) -> Array:
    return np.asarray(picture, np.uint8).reshape(pixels.shape)
