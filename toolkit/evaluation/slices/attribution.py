"""What in a content decides an answer: parts are hidden one after the other, and the model is asked again.

Words are left out (leave-one-out; Li et al., 2016), squares of an image are covered with grey (occlusion maps, Zeiler &
Fergus, 2014). Nothing but probabilities is asked of the model, so that every runtime will do.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import text as texts_of

MOST_WORDS = 40  # of a text that are left out one by one; of more, runs of them
GRID, COVER = 8, 2  # squares a side of an image, and how many a side are covered at once
SIDE = 256  # pixels of the longer side of what is covered
SHOWN = 144  # at least, in the report
GREY = 127
SEAM = " ‖ "  # between the texts of a pair

Ask = Callable[[Sequence[Any]], Any]  # contents -> probabilities (contents, classes)
Part = tuple[str, float]  # of a text, and how much it speaks for the answer


def words(ask: Ask, contents: Sequence[Any], answers: Sequence[int]) -> list[list[Part]]:
    """For each text its pieces, joined they are the text, with what the answer's probability loses without them.

    Args:
        contents: texts, or tuples of two: their pieces stand behind each other with `SEAM` between.
        answers: the class of each whose probability is looked at.
    """
    out = []
    for content, answer in console.track(list(zip(contents, answers, strict=True)), "attribution of words"):
        texts = content if isinstance(content, tuple) else (content,)
        cut = [_pieces(text) for text in texts]
        asked = [content]
        for at, (pieces, places) in enumerate(cut):
            without = ("".join(pieces[:start] + pieces[end:]) for start, end in places)
            asked += [(*texts[:at], rest, *texts[at + 1 :]) for rest in without] if len(texts) > 1 else without
        told = ask(asked)[:, answer]
        lost = iter(told[0] - told[1:])
        parts: list[Part] = []
        for at, (pieces, places) in enumerate(cut):
            parts += [(SEAM, 0.0)] * bool(at) + _weighed(pieces, {place: next(lost) for place in places})
        out.append(parts)
    return out


def _pieces(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """The tokens, and from which to which each run of words goes."""
    pieces = texts_of.tokens(text)
    spoken = [i for i, piece in enumerate(pieces) if not piece.isspace()]
    runs = np.array_split(np.array(spoken, int), min(len(spoken), MOST_WORDS)) if spoken else []
    return pieces, [(int(run[0]), int(run[-1]) + 1) for run in runs]


def _weighed(pieces: list[str], weights: dict[tuple[int, int], Any]) -> list[Part]:
    out: list[Part] = []
    done = 0
    for (start, end), weight in weights.items():
        out += [("".join(pieces[done:start]), 0.0)] if start > done else []
        out.append(("".join(pieces[start:end]), float(weight)))
        done = end
    return out + ([("".join(pieces[done:]), 0.0)] if done < len(pieces) else [])


def regions(ask: Ask, cells: Sequence[Any], answers: Sequence[int]) -> list[Any]:
    """For each image what the answer's probability loses where a square is covered: float64 (7, 7), rows from the top.

    Args:
        cells: {"bytes", "path"} of readable images. `ask` takes such.
    """
    from toolkit.data import images

    out = []
    for cell, answer in console.track(list(zip(cells, answers, strict=True)), "occlusion maps"):
        pixels = np.asarray(images.thumbnail(cell, SIDE).convert("RGB"))
        told = ask([_cell(pixels), *(_cell(covered) for covered in _covered(pixels))])[:, answer]
        side = GRID - COVER + 1
        out.append((told[0] - told[1:]).reshape(side, side))
    return out


def _covered(pixels: Any) -> list[Any]:
    down, across = (np.linspace(0, n, GRID + 1).astype(int) for n in pixels.shape[:2])
    out = []
    for y in range(GRID - COVER + 1):
        for x in range(GRID - COVER + 1):
            picture = pixels.copy()
            picture[down[y] : down[y + COVER], across[x] : across[x + COVER]] = GREY
            out.append(picture)
    return out


def _cell(pixels: Any) -> dict[str, Any]:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return {"bytes": out.getvalue(), "path": None}


def deciding(lost: Any) -> dict[str, float]:
    """The square whose cover costs the answer the most: its edges as shares of width and height, and what it costs."""
    y, x = np.unravel_index(int(lost.argmax()), lost.shape)
    edges = {"left": x, "top": y, "right": x + COVER, "bottom": y + COVER}
    return {name: float(edge) / GRID for name, edge in edges.items()} | {"lost": float(lost[y, x])}


def place(region: dict[str, float]) -> str:
    """Where a region lies, in words: thirds of the image."""
    thirds = [int((region[a] + region[b]) / 2 * 3) for a, b in (("top", "bottom"), ("left", "right"))]
    down, across = ("top", "middle", "bottom")[thirds[0]], ("left", "centre", "right")[thirds[1]]
    return across if down == "middle" else f"{down} {across}"


def drawn(cells: Sequence[Any], lost: Sequence[Any]) -> list[dict[str, Any]]:
    """The images with their maps laid over them, and a frame around the deciding square."""
    from PIL import Image, ImageDraw

    from toolkit.data import images

    out = []
    for cell, values in zip(cells, lost, strict=True):
        image = images.thumbnail(cell, SIDE).convert("RGB")
        larger = max(SHOWN / max(image.size), 1.0)
        image = image.resize((round(image.width * larger), round(image.height * larger)), Image.Resampling.NEAREST)
        spread = np.zeros((GRID, GRID))
        for y, x in np.ndindex(*values.shape):
            spread[y : y + COVER, x : x + COVER] += max(values[y, x], 0.0) / COVER**2
        heat = (spread / max(spread.max(), 1e-9) * 190).astype(np.uint8)
        mask = Image.fromarray(heat).resize(image.size, Image.Resampling.BILINEAR)
        image.paste(Image.new("RGB", image.size, (204, 90, 38)), mask=mask)
        region = deciding(values)
        box = [region[k] * n for k, n in zip(("left", "top", "right", "bottom"), image.size * 2, strict=True)]
        ImageDraw.Draw(image).rectangle([box[0], box[1], box[2] - 1, box[3] - 1], outline="white", width=3)
        out.append(_cell(np.asarray(image)))
    return out
