"""Small pictures for reports."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from toolkit.data.images.decode import Unreadable, decode
from toolkit.data.images.looks import Cell


def thumbnail(cell: Cell, size: int = 96) -> Any:
    """The image as a PIL image, at most `size` pixels wide and high.

    Raises:
        Unreadable: as `decode`.
    """
    image = decode((cell or {}).get("bytes")).image
    image.thumbnail((size, size))
    return image


def sheet(cells: Sequence[Cell], columns: int = 8, size: int = 96) -> bytes:
    """A contact sheet as PNG, row by row; a crossed box where an image cannot be read."""
    from PIL import Image, ImageDraw

    gap = max(2, size // 24)
    step = size + gap
    rows = max(1, -(-len(cells) // columns))
    paper = Image.new("RGB", (columns * step + gap, rows * step + gap), "white")
    for i, cell in enumerate(cells):
        x, y = gap + i % columns * step, gap + i // columns * step
        try:
            small = thumbnail(cell, size)
            paper.paste(small, (x + (size - small.width) // 2, y + (size - small.height) // 2))
        except Unreadable:
            draw, box = ImageDraw.Draw(paper), (x, y, x + size - 1, y + size - 1)
            draw.rectangle(box, outline="grey")
            draw.line(box, fill="grey")
            draw.line((box[0], box[3], box[2], box[1]), fill="grey")
    out = io.BytesIO()
    paper.save(out, "PNG")
    return out.getvalue()
