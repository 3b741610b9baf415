"""What each image looks like, from one decoding: digest, thumbnails, statistics, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data.images.decode import Unreadable, decode

if TYPE_CHECKING:
    from PIL.Image import Image

Cell = dict[str, Any] | None
SIDE, COLOUR_SIDE = 32, 4  # of the thumbnails: luminance, chroma
_BILINEAR, _BOX = 2, 4  # PIL.Image.Resampling, whose import is heavy
_BLOCK = 64
MEASURED = 256  # statistics are taken at this longer side at most, so that sharpness does not depend on resolution
STATISTICS = (
    "width",
    "height",
    "aspect",
    "bytes",
    "brightness",
    "contrast",
    "sharpness",
    "entropy",
    "colourfulness",
)


class Looks:
    """Of `count` rows, what was seen of their images; about 1.4 kB a row.

    digest: uint64 (count, 2), equal for equal upright RGB pixels whatever the file; zeros where unreadable.
    error: list of str, why an image cannot be read; None where it can or was not looked at.
    wrong: list of str, what `repair` would mend; "" for nothing.
    luma: uint8 (count, 32, 32). chroma: uint8 (count, 2, 4, 4), Cb and Cr.
    statistics: name -> float64 (count,), NaN where unreadable: width, height, aspect (width / height), bytes,
        brightness and contrast (mean and standard deviation of luminance, 0 to 255), sharpness (variance of the
        Laplacian), entropy (of the luminance, bits), colourfulness (Hasler and Süsstrunk, 2003).
    """

    def __init__(self, count: int) -> None:
        self.digest: Any = np.zeros((count, 2), dtype=np.uint64)
        self.error: list[str | None] = [None] * count
        self.wrong = [""] * count
        self.luma: Any = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
        self.chroma: Any = np.zeros((count, 2, COLOUR_SIDE, COLOUR_SIDE), dtype=np.uint8)
        self.statistics: dict[str, Any] = {name: np.full(count, np.nan) for name in STATISTICS}

    def __len__(self) -> int:
        return len(self.error)

    def see(self, numbers: Iterable[int], cells: Iterable[Cell]) -> None:
        """Look at the images of these rows; also again, where they have changed."""
        for i, cell in zip(numbers, cells, strict=True):
            data = (cell or {}).get("bytes")
            try:
                seen = decode(data)
            except Unreadable as e:
                self._forget(i, str(e))
                continue
            self.error[i], self.wrong[i] = None, ", ".join(seen.wrong)
            self.digest[i] = np.frombuffer(_digest(seen.image), dtype=np.uint64)
            luma, colours = _reduced(seen.image)
            self.luma[i] = np.asarray(luma.resize((SIDE, SIDE), _BILINEAR))
            self.chroma[i] = [np.asarray(c.resize((COLOUR_SIDE, COLOUR_SIDE), _BOX)) for c in colours]
            for name, value in zip(STATISTICS, _measures(seen.image, luma, colours, len(data or b"")), strict=True):
                self.statistics[name][i] = value

    def _forget(self, i: int, error: str) -> None:
        self.error[i], self.wrong[i] = error, ""
        self.digest[i] = self.luma[i] = self.chroma[i] = 0
        for column in self.statistics.values():
            column[i] = np.nan


def look(cells: Any, label: str = "looking at images") -> Looks:
    """What all these images look like. `cells`: a list of cells, or an Arrow column, which is read block by block."""
    looks = Looks(len(cells))
    with console.progress(label, len(cells)) as advance:
        for start in range(0, len(cells), _BLOCK):
            block = cells[start : start + _BLOCK]
            rows = range(start, start + len(block))
            looks.see(rows, block.to_pylist() if hasattr(block, "to_pylist") else block)
            advance(len(block))
    return looks


def digest(data: bytes | None) -> bytes:
    """A hash (16 bytes) of the upright RGB pixels: equal for equal pictures whatever their container and metadata.

    Raises:
        Unreadable: as `decode`.
    """
    return _digest(decode(data).image)


def statistics(cell: Cell) -> dict[str, float]:
    """The statistics of one image, by name; see `Looks`.

    Raises:
        Unreadable: as `decode`.
    """
    data = (cell or {}).get("bytes")
    image = decode(data).image
    values = _measures(image, *_reduced(image), len(data or b""))
    return dict(zip(STATISTICS, values, strict=True))


def _digest(image: Image) -> bytes:
    import xxhash

    pixels = np.ascontiguousarray(image)
    return bytes(xxhash.xxh3_128_digest(pixels.data, seed=image.width))


def _reduced(image: Image) -> tuple[Image, tuple[Image, Image]]:
    """Luminance and the two chroma planes, at most `MEASURED` on the longer side."""
    if max(image.size) > MEASURED:
        scale = MEASURED / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, _BILINEAR, reducing_gap=2.0)
    luma, blue, red = image.convert("YCbCr").split()
    return luma, (blue, red)


def _measures(image: Image, luma: Image, colours: tuple[Image, Image], size: int) -> tuple[float, ...]:
    """The values of `STATISTICS`."""
    shares = np.array(luma.histogram()) / (luma.width * luma.height)
    grey = np.arange(256)
    brightness = float(shares @ grey)
    contrast = math.sqrt(float(shares @ (grey - brightness) ** 2))
    some = shares[shares > 0]
    y = np.pad(np.asarray(luma, dtype=np.float32), 1, mode="edge")
    laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
    return (
        float(image.width),
        float(image.height),
        image.width / image.height,
        float(size),
        brightness,
        contrast,
        float(laplacian.var()),
        max(0.0, -float(some @ np.log2(some))),
        _colourfulness(*colours),
    )


def _colourfulness(blue: Image, red: Image) -> float:
    """Of the opponent axes red-green and yellow-blue; luminance drops out of both, so the chroma planes are enough."""
    cb, cr = (np.asarray(c, dtype=np.float32) - 128 for c in (blue, red))
    red_green = 2.116136 * cr + 0.344136 * cb
    yellow_blue = 0.343932 * cr - 1.944068 * cb
    spread = math.hypot(float(red_green.std()), float(yellow_blue.std()))
    return spread + 0.3 * math.hypot(float(red_green.mean()), float(yellow_blue.mean()))
