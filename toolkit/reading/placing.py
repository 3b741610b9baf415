"""Where an image processor puts an image's pixels, as Pillow alone does it: in less time, and without transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PROBES = ((48, 80), (80, 48), (33, 33))  # sizes of the images on which a recipe is tried


def recipe(processor: Any, mode: str, shape: tuple[int, ...], place: Callable[[Any], Any]) -> dict[str, Any] | None:
    """What `placed` has to know to do as the processor does; None where that does more.

    Args:
        mode: that images are converted to. shape: (height, width, channels) of what comes out.
        place: an image to uint8 pixels of that shape, by the processor itself.
    """
    from PIL import Image

    height, width, _ = shape
    resized = getattr(processor, "do_resize", False)
    crop = [height, width] if getattr(processor, "do_center_crop", False) else None
    rng = np.random.default_rng(0)
    probes = [Image.fromarray(rng.integers(0, 256, (*sides, 3), np.uint8)) for sides in PROBES]
    try:
        size = {key: value for key, value in dict(processor.size).items() if value} if resized else {}
        share = getattr(processor, "crop_pct", None)
        if share:  # ConvNeXt's way: a part of the middle, of small images only
            edge = size["shortest_edge"]
            size, crop = (
                ({"shortest_edge": int(edge / share)}, [edge, edge])
                if edge < 384
                else ({"height": edge, "width": edge}, None)
            )
        found = {"mode": mode, "size": size, "crop": crop, "resample": int(processor.resample)}
        tried = [np.asarray(placed(probe, found)).reshape(shape) for probe in probes]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    same = all(np.array_equal(pixels, place(probe)) for pixels, probe in zip(tried, probes, strict=True))
    return found if same else None


def placed(image: Any, settings: dict[str, Any]) -> Any:
    """The image as large as the model reads it."""
    image = image.convert(settings["mode"])
    size = settings["size"]
    if "shortest_edge" in size:
        short, edge = min(image.size), size["shortest_edge"]
        sides = [edge if side == short else int(edge * side / short) for side in image.size]
        image = image.resize(sides, settings["resample"])
    elif size:
        image = image.resize((size["width"], size["height"]), settings["resample"])
    if settings["crop"]:
        height, width = settings["crop"]
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    return image
