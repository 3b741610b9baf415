"""What a report shows of augmented images: originals and outputs side by side."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.images.decode import Unreadable
from toolkit.data.images.sheet import thumbnail

if TYPE_CHECKING:
    import pyarrow as pa

SIDE, GAP, LINE, COLUMNS = 112, 6, 13, 4  # pixels, and pairs in a row
MOST = 24  # pairs in all
SEEN = 20_000  # children that the pairs are drawn from


def examples(train: pa.Table, children: pa.Table, count: int) -> dict[str, Any]:
    """A contact sheet: some children of each method beside what they were made of."""
    import pyarrow.compute as pc

    pairs = []
    for i in chosen(children.column("method").to_pylist(), count):
        sources = [children.column("parent_id")[i]]
        if "partner_id" in children.column_names and children.column("partner_id")[i].is_valid:
            sources.append(children.column("partner_id")[i])
        cells = [train.column("image")[pc.index(train.column("id"), id_).as_py()].as_py() for id_ in sources]
        pairs.append((cells, children.column("image")[i].as_py(), children.column("method")[i].as_py()))
    caption = "Originals (left) and what was made of them (right); of a mixture both parents, one above the other"
    return {"figures": [{"name": "examples", "caption": caption, "picture": contact(pairs)}]} if pairs else {}


def chosen(methods: Sequence[str], count: int) -> list[int]:
    """Children that show each method, `count` times where the sheet has room."""
    shown: Counter[str] = Counter()
    out: list[int] = []
    order = np.random.default_rng(0).permutation(len(methods))[:SEEN].tolist()
    for times in range(1, count + 1):  # each method once first, then twice …
        for i in order:
            names = methods[i].split("+")
            if len(out) < MOST and i not in out and min(shown[name] for name in names) < times:
                shown.update(names)
                out.append(i)
    return sorted(out, key=lambda i: (methods[i].count("+"), methods[i]))


def contact(pairs: Sequence[tuple[Sequence[Any], Any, str]]) -> bytes:
    """A PNG of (originals, output, methods joined by +), the names under each pair."""
    from PIL import Image, ImageDraw

    lines = 1 + max(method.count("+") for _, _, method in pairs)
    width, height = 2 * SIDE + 3 * GAP, SIDE + lines * LINE + 3 * GAP
    rows = -(-len(pairs) // COLUMNS)
    paper = Image.new("RGB", (width * min(COLUMNS, len(pairs)), height * rows), "white")
    draw = ImageDraw.Draw(paper)
    for i, (sources, output, method) in enumerate(pairs):
        x, y = i % COLUMNS * width + GAP, i // COLUMNS * height + GAP
        for k, source in enumerate(sources):
            part = SIDE // len(sources)
            _paste(paper, source, x, y + k * part, SIDE, part - (len(sources) - 1))
        _paste(paper, output, x + SIDE + GAP, y, SIDE, SIDE)
        for k, name in enumerate(method.split("+")):
            draw.text((x, y + SIDE + 3 + k * LINE), f"{'+ ' if k else ''}{name}", fill="black")
    out = io.BytesIO()
    paper.save(out, "PNG", optimize=True)
    return out.getvalue()


def _paste(paper: Any, cell: Any, x: int, y: int, width: int, height: int) -> None:
    """The image in the middle of a box; nothing where it cannot be read."""
    try:
        small = thumbnail(cell, min(width, height))
    except Unreadable:
        return
    paper.paste(small, (x + (width - small.width) // 2, y + (height - small.height) // 2))
