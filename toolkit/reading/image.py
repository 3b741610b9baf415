"""Images as pixel values.

What a processor does to the place of pixels (resize, crop, pad, order of channels) is done once and kept as uint8, a
quarter of the memory; what it does to their values is a factor and an offset a channel, learned from the processor
itself and applied to a batch. Channels lie last in memory: convolutions on processors and GPUs want them so (bf16
training of the built-in ResNet took 114 ms a step instead of 485 on two cores).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.images.decode import Unreadable, decode, opaque
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded, placing

KEPT_BYTES = 1 << 30  # of decoded pixels; more are decoded again whenever a batch needs them
AT_ONCE = 8  # images that a thread reads before it asks for more
TOLD = 5000  # so many images take long enough to be counted before somebody's eyes
VALUES = ("do_rescale", "do_normalize", "include_top")  # a processor's switches for what changes values
PLACES = ("do_resize", "do_center_crop", "do_pad", "do_flip_channel_order")
PROBE = (48, 80)  # pixels of the picture that a processor is tried on


@dataclass(frozen=True, slots=True)
class Picture:
    """One row's image, which stays where it is until somebody looks."""

    rows: Any  # a Dataset with an image column, in Arrow's format
    place: int

    def cell(self) -> dict[str, Any]:
        """bytes and path, both None where there is none."""
        return self.rows[self.place].column("image")[0].as_py() or {"bytes": None, "path": None}

    def name(self) -> str:
        """What a person finds it by."""
        row = self.rows[self.place]
        id_ = row.column("id")[0].as_py() if "id" in row.column_names else None
        return str(id_ or self.cell()["path"] or f"row {self.place + 1}")


@dataclass
class ImageReader:
    """An image processor of transformers.

    Raises:
        ToolkitError: it does not give pixels of one size, or not each of its value alone.
    """

    processor: Any
    mode: str = "RGB"  # or "L", for a model of one channel
    kind: str = "image"
    shape: tuple[int, ...] = field(init=False)  # (height, width, channels) of what the model reads
    factor: Any = field(init=False)  # float32 (width * channels): of each value in a row of pixels
    offset: Any = field(init=False)  # likewise; what is added
    recipe: dict[str, Any] | None = field(init=False, default=None)  # by which `placed` does as the processor does
    raw: bool = field(init=False, default=False)  # whether batches hold the bytes, for a model that scales them itself
    opaque, placed = staticmethod(opaque), staticmethod(placing.placed)

    def __post_init__(self) -> None:
        from PIL import Image

        name = type(self.processor).__name__.removesuffix("Pil")
        rng = np.random.default_rng(0)
        probes = [Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)) for size in (PROBE, PROBE[::-1])]
        try:
            placed = [self.place(probe) for probe in probes]
            own = [self._run(probe.convert(self.mode)) for probe in probes]
            self.shape = placed[0].shape
            low, high = (
                self._run(Image.new(self.mode, (8, 8), (value,) * self.shape[-1]), **self._without(PLACES))[:, 0, 0]
                for value in (0, 255)
            )
        except Exception as e:
            what = " ".join(str(e).split())[:120]
            raise ToolkitError(
                f"the image processor {name} fails ({type(e).__name__}: {what})", "see its preprocessor_config.json"
            ) from e
        if placed[0].shape != placed[1].shape:
            raise ToolkitError(
                f"the image processor {name} gives images of several sizes",
                "set size to height and width, or do_center_crop, in its preprocessor_config.json",
            )
        self.factor, self.offset = (np.tile(v, self.shape[1]).astype(np.float32) for v in ((high - low) / 255, low))
        if not np.allclose(self.values(placed), own, atol=1e-4):
            raise ToolkitError(f"the image processor {name} does more than resize, crop and scale", "use another model")
        self.recipe = placing.recipe(self.processor, self.mode, self.shape, self.place)

    def contents(self, rows: Any) -> list[Any]:
        # "id" too: an image that cannot be read is named by it
        named = rows.select_columns([name for name in ("id", "image") if name in rows.column_names])
        named = named.with_format("arrow")
        return [Picture(named, place) for place in range(len(rows))]

    def encode(self, contents: Sequence[Any]) -> Encoded:
        """Decoded and resized where all of them fit into `KEPT_BYTES`, else when a batch needs them."""
        if len(contents) * int(np.prod(self.shape)) > KEPT_BYTES:
            return [{"picture": picture} for picture in contents]
        read = self._read(contents)
        counted = console.track(read, "reading images", len(contents)) if len(contents) >= TOLD else read
        return [{"pixels": pixels} for pixels in counted]

    def pixels(self, picture: Any) -> Any:
        """uint8 (height, width, channels) of a Picture; what is given as pixels stays as it is.

        Raises:
            ToolkitError: the image cannot be read.
        """
        if isinstance(picture, np.ndarray):
            return picture
        try:
            return self.place(decode(picture.cell()["bytes"]).image)
        except Unreadable as e:
            raise ToolkitError(f"the image {picture.name()} cannot be read: {e}", "run 'toolkit clean' first") from e

    def empty(self, row: dict[str, Any]) -> bool:
        return False

    def size(self, row: dict[str, Any]) -> int:
        return 1

    def guess(self, content: Any) -> int:
        return 1

    def bucket(self, size: int, multiple: int) -> int:
        return size

    def batch(self, rows: Encoded, size: int | None = None) -> dict[str, Any]:
        kept = "pixels" in rows[0]
        pixels = [row["pixels"] for row in rows] if kept else [*self._read([row["picture"] for row in rows])]
        return {"pixel_values": np.stack(pixels) if self.raw else self.values(pixels)}

    def values(self, pixels: Sequence[Any]) -> Any:
        """What the model reads, float32 (images, channels, height, width), for uint8 (height, width, channels) each."""
        height, width, channels = self.shape
        out = np.empty((len(pixels), height, width * channels), np.float32)
        for row, given in zip(out, pixels, strict=True):  # an image at a time stays in the cache
            np.multiply(given.reshape(row.shape), self.factor, out=row)
            row += self.offset
        return out.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)

    def place(self, image: Any) -> Any:
        """uint8 (height, width, channels) of a picture: resized, cropped."""
        if self.recipe is not None:
            return np.asarray(placing.placed(image, self.recipe)).reshape(self.shape)
        done = self._run(image.convert(self.mode), **self._without(VALUES))
        return np.ascontiguousarray(done.transpose(1, 2, 0).round().clip(0, 255).astype(np.uint8))

    def _read(self, contents: Sequence[Any]) -> Iterator[Any]:
        """The pixels of each, on all cores where there are several, some at a time: each call costs a little."""
        if len(contents) == 1:
            return map(self.pixels, contents)
        groups = [contents[start : start + AT_ONCE] for start in range(0, len(contents), AT_ONCE)]
        return chain.from_iterable(_pool().map(lambda group: [*map(self.pixels, group)], groups))

    def _run(self, image: Any, **switches: bool) -> Any:
        """(channels, height, width)."""
        return np.asarray(self.processor(image, return_tensors="np", **switches)["pixel_values"][0])

    def _without(self, switches: Sequence[str]) -> dict[str, bool]:
        return {name: False for name in switches if getattr(self.processor, name, None) is not None}


@cache
def _pool() -> ThreadPoolExecutor:
    """Decoding and resizing run outside of Python's lock."""
    return ThreadPoolExecutor(os.cpu_count(), "images")
