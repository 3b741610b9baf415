import numpy as np
import pytest
from PIL import Image

from toolkit import console
from toolkit.data.augment.image import load_references, style
from toolkit.data.augment.image.style import SIDE, fourier_domain_adaptation, histogram_matching
from toolkit.data.augment.image.transforms import Rng
from toolkit.errors import ToolkitError

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 120, (40, 60, 3), dtype=np.uint8)
REFERENCE = (130 + 100 * RANDOM.random((50, 30, 3)) ** 2).astype(np.uint8)


def quantiles(image):
    return np.quantile(image.reshape(-1, 3), np.linspace(0.05, 0.95, 10), axis=0)


def test_histograms_become_those_of_the_reference():
    out = histogram_matching(PICTURE, Rng(0), references=[REFERENCE], low=1.0)
    assert (out.shape, out.dtype) == (PICTURE.shape, np.uint8)
    assert np.abs(quantiles(out) - quantiles(REFERENCE)).max() < 4
    order = PICTURE[..., 0].ravel().argsort(kind="stable")
    assert (np.diff(out[..., 0].ravel()[order].astype(int)) >= 0).all()  # what was brighter still is


def test_a_blend_lies_between():
    half = histogram_matching(PICTURE, Rng(0), references=[REFERENCE], low=0.5).mean()
    assert PICTURE.mean() + 0.4 * (REFERENCE.mean() - PICTURE.mean()) < half < REFERENCE.mean()


def test_a_picture_is_its_own_reference():
    assert np.array_equal(histogram_matching(PICTURE, Rng(0), references=[PICTURE], low=1.0), PICTURE)
    own = fourier_domain_adaptation(PICTURE, Rng(0), references=[PICTURE], beta=0.3)
    assert np.abs(own.astype(int) - PICTURE).max() <= 1


def spectrum(image):
    return np.fft.fft2(image.astype(float), axes=(0, 1))


def test_low_amplitudes_become_those_of_the_reference_and_phases_stay():
    rng = np.random.default_rng(1)  # of middle brightness, so that nothing is cut off at black or white
    picture, reference = (rng.integers(low, high, (32, 48, 3), dtype=np.uint8) for low, high in ((90, 130), (120, 200)))
    out = fourier_domain_adaptation(picture, AtMost(0), references=[reference], beta=0.25)
    new, old, want = (spectrum(image) for image in (out, picture, reference))
    low = (np.abs(np.fft.fftfreq(32) * 32) <= 8)[:, None] & (np.abs(np.fft.fftfreq(48) * 48) <= 8)
    assert np.abs(np.abs(new[low]) / np.abs(want[low]) - 1).mean() < 0.1
    assert np.abs(np.abs(new[~low]) / np.abs(old[~low]) - 1).mean() < 0.2  # rounding to whole levels alone
    assert np.cos(np.angle(new) - np.angle(old)).mean() > 0.97


class AtMost(Rng):
    def uniform(self, low, high):
        return high


def test_no_more_references_are_read_than_memory_holds(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(console, "warn", said.append)
    monkeypatch.setattr(style, "MOST", 3)
    for i in range(10):
        Image.new("RGB", (2, 2), (10 * i, 0, 0)).save(tmp_path / f"{i}.png")
    assert [image[0, 0, 0] for image in load_references(tmp_path)] == [0, 40, 90]  # the first, the last, between
    assert said == ["3 of 10 references are read, evenly over their names"]


def test_a_small_share_changes_the_light_alone():
    out = fourier_domain_adaptation(PICTURE, Rng(0), references=[REFERENCE], beta=0.0)
    difference = out.astype(int) - PICTURE
    assert np.abs(difference - difference.mean(axis=(0, 1))).max() < 1
    assert out.mean(axis=(0, 1)) == pytest.approx(REFERENCE.mean(axis=(0, 1)), abs=2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (2, 3)])
@pytest.mark.parametrize("method", [histogram_matching, fourier_domain_adaptation])
def test_tiny_pictures(method, shape):
    out = method(PICTURE[: shape[0], : shape[1]], Rng(0), references=[REFERENCE, REFERENCE[:1, :1]])
    assert (out.shape, out.dtype) == ((*shape, 3), np.uint8)


def test_references_are_read_from_a_folder(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(console, "warn", said.append)
    (tmp_path / "deep").mkdir()
    Image.fromarray(np.full((900, 300, 3), 7, dtype=np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(np.full((20, 30), 9, dtype=np.uint8)).save(tmp_path / "deep" / "a.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("no image either")
    tall, grey = load_references(tmp_path)
    assert tall.shape == (SIDE, round(SIDE / 3), 3)
    assert grey.shape == (20, 30, 3)
    assert len(said) == 1
    assert "broken.jpg" in said[0]


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: (folder / "x.jpg").write_bytes(b"no")])
def test_a_folder_without_images_is_an_error(tmp_path, make):
    make(tmp_path)
    with pytest.raises(ToolkitError, match="no image can be read"):
        load_references(tmp_path)
