"""Images as pixel values."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.data.images.decode import Unreadable, decode
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded


@dataclass
class ImageReader:
    """An image processor of transformers: it resizes and crops once, and scales and normalises what a batch holds."""

    processor: Any
    kind: str = "image"

    def contents(self, rows: Any) -> list[Any]:
        return list(rows.with_format("arrow")[:].column("image").to_pylist())

    def encode(self, contents: Sequence[Any]) -> Encoded:
        with ThreadPoolExecutor() as pool:  # decoding and resizing run outside of Python's lock
            return [{"pixels": pixels} for pixels in pool.map(self._pixels, contents)]

    def _pixels(self, cell: Any) -> Any:
        """uint8 (channels, height, width)."""
        try:
            image = decode(cell["bytes"]).image
        except Unreadable as e:
            raise ToolkitError(f"the image {cell['path']} cannot be read: {e}", "run 'toolkit clean' first") from e
        done = self.processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
        return np.asarray(done["pixel_values"][0]).round().clip(0, 255).astype(np.uint8)

    def empty(self, row: dict[str, Any]) -> bool:
        return False

    def size(self, row: dict[str, Any]) -> int:
        return 1

    def bucket(self, size: int) -> int:
        return size

    def batch(self, rows: Encoded, size: int | None = None) -> dict[str, Any]:
        pixels = np.stack([row["pixels"] for row in rows]).astype(np.float32)
        processor = self.processor
        if processor.do_rescale:
            pixels *= processor.rescale_factor
        if processor.do_normalize:
            mean, std = (np.array(v, np.float32)[:, None, None] for v in (processor.image_mean, processor.image_std))
            pixels = (pixels - mean) / std
        return {"pixel_values": pixels}
