import io

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pil
from unit.image_models import PROCESSORS, processor

from toolkit.errors import ToolkitError
from toolkit.reading import image as reading

SIZES = [(50, 70), (70, 33), (1, 1), (200, 90)]


def encoded(image, kind="PNG"):
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def noise(height, width, channels=3, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Pil.fromarray(pixels[..., 0] if channels == 1 else pixels)


def rows(*data):
    cells = [{"bytes": d, "path": f"{i}.png"} for i, d in enumerate(data)]
    features = Features({"id": Value("string"), "image": Image()})
    return Dataset.from_dict({"id": [f"row-{i}" for i in range(len(data))], "image": cells}, features=features)


@pytest.mark.parametrize("name", PROCESSORS)
def test_gives_what_the_processor_gives(name):
    own = PROCESSORS[name]()
    reader = reading.ImageReader(own)
    images = [noise(*size, seed=i) for i, size in enumerate(SIZES)]
    batch = reader.batch(reader.encode(reader.contents(rows(*map(encoded, images)))))["pixel_values"]
    expected = np.stack([own(image, return_tensors="np")["pixel_values"][0] for image in images])
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "I;16"])
def test_every_mode_is_read_as_three_channels(mode):
    reader = reading.ImageReader(PROCESSORS["vit"]())
    source = noise(40, 40, 1).convert("I;16") if mode == "I;16" else noise(40, 40).convert(mode)
    data = encoded(source, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    (row,) = reader.encode(reader.contents(rows(data)))
    assert row["pixels"].shape == (32, 32, 3)
    if mode == "L":
        assert (row["pixels"][..., 0] == row["pixels"][..., 2]).all()


def test_a_model_of_one_channel_reads_grey():
    own = processor("vit", "ViT", size={"height": 32, "width": 32}, image_mean=[0.5], image_std=[0.25])
    reader, image = reading.ImageReader(own, "L"), noise(50, 40)
    batch = reader.batch(reader.encode(reader.contents(rows(encoded(image)))))["pixel_values"]
    assert batch.shape == (1, 1, 32, 32)
    np.testing.assert_allclose(batch, own(image.convert("L"), return_tensors="np")["pixel_values"], atol=1e-6)


def test_channels_lie_last_in_memory():
    """What convolutions are fast on; the shape is as ever."""
    reader = reading.ImageReader(PROCESSORS["vit"]())
    pixels = torch.from_numpy(reader.batch(reader.encode(reader.contents(rows(encoded(noise(9, 9))))))["pixel_values"])
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_more_than_is_kept_is_read_again_and_the_same(monkeypatch):
    reader = reading.ImageReader(PROCESSORS["vit"]())
    contents = reader.contents(rows(*(encoded(noise(40, 50, seed=i)) for i in range(5))))
    kept = reader.encode(contents)
    monkeypatch.setattr(reading, "KEPT_BYTES", 5 * 32 * 32 * 3 - 1)
    later = reader.encode(contents)
    assert all("pixels" in row for row in kept)
    assert not any("pixels" in row for row in later)
    assert (reader.batch(later)["pixel_values"] == reader.batch(kept)["pixel_values"]).all()


@pytest.mark.parametrize("kept", [True, False])
def test_an_image_that_cannot_be_read_is_named(monkeypatch, kept):
    reader = reading.ImageReader(PROCESSORS["vit"]())
    monkeypatch.setattr(reading, "KEPT_BYTES", 10**6 * kept)
    contents = reader.contents(rows(encoded(noise(9, 9)), encoded(noise(90, 90))[:200]))
    with pytest.raises(ToolkitError, match=r"the image row-1 cannot be read: broken") as caught:
        reader.batch(reader.encode(contents))
    assert "toolkit clean" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": {"shortest_edge": 32}}, "gives images of several sizes"),
        ({"size": {"height": 32, "width": 32}, "image_mean": [0.5]}, "fails"),
    ],
)
def test_processors_that_no_model_can_read(options, says):
    with pytest.raises(ToolkitError, match=says):
        reading.ImageReader(processor("vit", "ViT", **options))


def test_a_processor_that_does_more_is_refused():
    own = PROCESSORS["vit"]()
    plain = own.normalize
    own.normalize = lambda image, mean, std, **k: plain(image, mean, std, **k) ** 2
    with pytest.raises(ToolkitError, match="does more than resize, crop and scale"):
        reading.ImageReader(own)
