"""What a report shows of augmented images: originals and outputs side by side."""

from __future__ import annotations

import functools
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.augment.shown import Labels
from toolkit.data.images.decode import Unreadable
from toolkit.data.images.sheet import thumbnail

if TYPE_CHECKING:
    import pyarrow as pa

SIDE, GAP, LINE, COLUMNS = 112, 6, 14, 4  # pixels, and pairs in a row
SIZE = 11  # of letters, in pixels
CHINESE = ("notosanscjk", "notosanssc", "sourcehansans", "pingfang", "hiragino", "msyh", "simhei", "wqy")  # fonts
MOST = 24  # pairs in all
SEEN = 20_000  # children that the pairs are drawn from


def examples(train: pa.Table, children: pa.Table, count: int) -> dict[str, Any]:
    """A contact sheet: some children of each method beside what they were made of."""
    import pyarrow.compute as pc

    pairs, labels = [], Labels(train)
    for i in chosen(children.column("method").to_pylist(), count):
        child = children.slice(i, 1).to_pylist()[0]
        sources = filter(None, (child["parent_id"], child.get("partner_id")))
        cells = [train.column("image")[pc.index(train.column("id"), id_).as_py()].as_py() for id_ in sources]
        pairs.append((cells, child["image"], child["method"], labels.told(child)))
    caption = (
        "Originals (left) and what was made of them (right), their class and the methods; "
        "of a mixture both parents, one above the other, and the share of each class"
    )
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


def contact(pairs: Sequence[tuple[Sequence[Any], Any, str, str]]) -> bytes:
    """A PNG of (originals, output, methods joined by +, class); under each pair its class and the methods."""
    from PIL import Image, ImageDraw

    told = [[_clipped(label), *method.replace("+", "\n+ ").split("\n")] for *_, method, label in pairs]
    rows = [range(start, min(start + COLUMNS, len(pairs))) for start in range(0, len(pairs), COLUMNS)]
    heights = [SIDE + LINE * max(len(told[i]) for i in row) + 4 * GAP for row in rows]
    width = 2 * SIDE + 3 * GAP
    paper = Image.new("RGB", (width * min(COLUMNS, len(pairs)), sum(heights)), "white")
    draw = ImageDraw.Draw(paper)
    for k, row in enumerate(rows):
        y = sum(heights[:k]) + GAP
        for x, i in zip(range(GAP, width * COLUMNS, width), row, strict=False):
            sources, output, *_ = pairs[i]
            part = SIDE // len(sources)
            for j, source in enumerate(sources):
                _paste(paper, source, x, y + j * part, SIDE, part - (len(sources) - 1))
            _paste(paper, output, x + SIDE + GAP, y, SIDE, SIDE)
            for j, line in enumerate(told[i]):
                draw.text((x, y + SIDE + 3 + j * LINE), line, fill="black", font=_font(line.isascii()))
    out = io.BytesIO()
    paper.save(out, "PNG", optimize=True)
    return out.getvalue()


@functools.cache
def _font(plain: bool) -> Any:
    """PIL's own, or one of this machine with Chinese characters if there is one."""
    from PIL import ImageFont

    own = ImageFont.load_default(SIZE)
    if plain:
        return own
    from matplotlib import font_manager

    for path in sorted(font_manager.findSystemFonts()):
        if Path(path).stem.lower().startswith(CHINESE) and "bold" not in path.lower():
            with suppress(OSError):  # a broken file
                return ImageFont.truetype(path, SIZE)
    return own


def _clipped(text: str) -> str:
    """So much of a text as there is room for under a pair."""
    font, kept = _font(text.isascii()), text
    while kept and font.getlength(kept) > 2 * SIDE - SIZE:
        kept = kept[:-1]
    return kept if kept == text else f"{kept}…"


def _paste(paper: Any, cell: Any, x: int, y: int, width: int, height: int) -> None:
    """The image in the middle of a box; nothing where it cannot be read."""
    try:
        small = thumbnail(cell, min(width, height))
    except Unreadable:
        return
    enlarged = min(width, height) // max(small.size)
    if enlarged > 1:  # whole pixels: those of a digit or an icon are to be seen
        small = small.resize((small.width * enlarged, small.height * enlarged), 0)
    x, y = x + (width - small.width) // 2, y + (height - small.height) // 2
    paper.paste("lightgrey", (x - 1, y - 1, x + small.width + 1, y + small.height + 1))  # white pictures have an edge
    paper.paste(small, (x, y))
