"""A model of images made to read larger or smaller ones than it was published for."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

from toolkit.errors import ToolkitError
from toolkit.reading.image import ImageReader

MULTIPLE = 32  # what published models shrink an image by, or a multiple of it
EXTRA = range(3)  # positions that are of no patch: a class and a distillation token at most


def change(model: Any, processor: Any, pixels: int) -> tuple[Any, Any]:
    """The model and its processor for square images of `pixels`; stock classes load both.

    Position embeddings of patches are interpolated (Dosovitskiy et al., 2021, section 3.2).

    Raises:
        ToolkitError: the architecture or its processor cannot.
    """
    name = type(model).__name__
    hint = "leave --resolution out, or take another model"
    config = copy.deepcopy(model.config)
    holder = next((c for c in (config, getattr(config, "vision_config", None)) if hasattr(c, "image_size")), None)
    patch = getattr(holder, "patch_size", 1)
    if isinstance(patch, int) and pixels % patch:
        raise ToolkitError(f"{name} reads patches of {patch} pixels, which do not divide {pixels}", hint)
    if holder is not None:
        holder.image_size = pixels
    resized = type(model)(config)
    state, wanted = model.state_dict(), resized.state_dict()
    for key, weights in state.items():
        if key in wanted and weights.shape != wanted[key].shape:
            state[key] = _positions(weights, wanted[key].shape)
            if state[key] is None:
                raise ToolkitError(f"{name} cannot change its resolution: {key} is of one size", hint)
    resized.load_state_dict(state)
    resized.eval()
    processor = _processor(processor, pixels)
    reader = ImageReader(processor, "L" if getattr(config, "num_channels", 3) == 1 else "RGB")
    try:
        if reader.shape[:2] != (pixels, pixels):
            raise ValueError(f"its processor gives {reader.shape[1]} x {reader.shape[0]}")
        with torch.inference_mode():
            resized(pixel_values=torch.zeros(1, reader.shape[2], pixels, pixels))
    except (ValueError, RuntimeError) as e:
        raise ToolkitError(f"{name} cannot read images of {pixels} pixels ({str(e)[:120]})", hint) from e
    return resized, processor


def _processor(processor: Any, pixels: int) -> Any:
    """Its sizes grow alike, so that as much is cropped as before."""
    was = ImageReader(processor).shape[:2] if processor.do_resize else (pixels, pixels)
    own = processor.to_dict()
    for key in ("size", "crop_size"):
        if own.get(key):
            own[key] = {side: round(value * pixels / max(was)) for side, value in own[key].items()}
    return type(processor).from_dict(own)


def _positions(weights: Any, shape: Any) -> Any:
    """Embeddings (…, positions, width) of a square of patches for one of another size; None where they are no such."""
    if weights.ndim not in (2, 3) or weights.shape[-1] != shape[-1] or len(shape) != weights.ndim:
        return None
    before, after = weights.shape[-2], shape[-2]
    for extra in EXTRA:
        old, new = math.isqrt(before - extra), math.isqrt(after - extra)
        if old * old == before - extra and new * new == after - extra:
            kept, rest = weights[..., :extra, :], weights[..., extra:, :]
            square = rest.reshape(1, old, old, -1).permute(0, 3, 1, 2)
            spread = torch.nn.functional.interpolate(square, (new, new), mode="bicubic", align_corners=False)
            return torch.cat([kept, spread.permute(0, 2, 3, 1).reshape(*rest.shape[:-2], new * new, -1)], -2)
    return None
