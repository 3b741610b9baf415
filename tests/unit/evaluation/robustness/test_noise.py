"""Noise grows with its strength, is the same for the same seed, and costs what it costs."""

import numpy as np
import pytest

from toolkit.data.text import tokens
from toolkit.evaluation.robustness import noise

TEXTS = [
    "The courier lost another parcel yesterday and nobody answered the telephone, which was rather disappointing .",
    "快递昨天又丢失了包裹，客服电话也没有人接，真是令人非常失望，我再也不会在这里购买东西了。",
]
PIXELS = np.random.default_rng(0).integers(30, 200, (32, 32, 3), np.uint8)


def changed(text, other):
    return sum(a != b for a, b in zip(tokens(text), tokens(other), strict=False))


@pytest.mark.parametrize("name", ["typos", "punctuation"])
@pytest.mark.parametrize("text", TEXTS)
def test_texts(name, text):
    weak, strong = (noise.noisy([text] * 40, "text", name, strength, 0) for strength in (0, 4))
    assert weak == noise.noisy([text] * 40, "text", name, 0, 0)
    assert text not in strong
    assert len(set(strong)) > 10
    length = [np.mean([abs(len(t) - len(text)) + changed(text, t) for t in made]) for made in (weak, strong)]
    assert length[0] < length[1]


def test_case():
    assert noise.noisy(TEXTS[1:], "text", "case", 4, 0) == TEXTS[1:]
    (made,) = noise.noisy(TEXTS[:1], "text", "case", 4, 0)
    assert made.lower() == TEXTS[0].lower()
    words = [t for t in tokens(TEXTS[0]) if t[0].isalnum()]
    assert sum(t.isupper() for t in tokens(made)) == round(0.4 * len(words))


def test_both_texts_of_a_pair():
    ((first, second),) = noise.noisy([(TEXTS[0], TEXTS[0])], "text", "typos", 4, 0)
    assert first != TEXTS[0] != second != first


@pytest.mark.parametrize("name", list(noise.KINDS["image"]))
@pytest.mark.parametrize("channels", [1, 3])
def test_images(name, channels):
    image = PIXELS[..., :channels]
    made = [noise.noisy([image], "image", name, strength, 0)[0] for strength in range(5)]
    away = [np.abs(m.astype(float) - image).mean() for m in made]
    assert away == sorted(away)
    assert away[0] > 0
    assert all(m.shape == image.shape and m.dtype == np.uint8 for m in made)


def test_blur_grows_with_the_image():
    """Twice the pixels, twice the radius: an edge is blurred over the same share of the image."""
    width = []
    for side in (112, 224):
        edge = np.zeros((side, side, 1), np.uint8)
        edge[:, side // 2 :] = 255
        row = noise.blur(edge, None, 4)[0, :, 0]
        width.append(((row > 25) & (row < 230)).mean())
    assert width[0] == pytest.approx(width[1], abs=0.01)


def test_the_drop_is_paired():
    right = np.array([True] * 80 + [False] * 20)
    half = right & (np.arange(100) % 2 == 0)
    found = noise.figures(right, {"typos": [right] * 5, "case": [half] * 5})
    none = found["kinds"]["typos"]["drop"]
    assert (none["low"], none["value"]) == (-none["high"], 0)
    assert 0.02 < none["high"] < 0.05  # of 100 rows that showed none
    assert found["kinds"]["case"]["drop"]["value"] == pytest.approx(0.4)
    assert found["drop"]["value"] == pytest.approx(0.2)
    assert found["drop"]["low"] < 0.2 < found["drop"]["high"]
    assert found["kinds"]["case"]["accuracy"][0]["value"] == pytest.approx(0.4)
