"""What varies and mixes the images of a batch while a model trains.

All draws come from torch's own generator, as dropout's do: a checkpoint holds its state, so a resumed run draws what an
undisturbed one would have.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from toolkit.training.config import Images
from toolkit.training.tasks.classification import SHARES
from toolkit.training.weighting import WEIGHT

ASPECT = 4 / 3  # of a crop, at most, either way


def vary(batch: dict[str, Any], config: Images, classes: int) -> dict[str, Any]:
    """The batch with its images cropped, flipped and mixed as `config` says.

    Mixtures have `label_weights`, in which each parent counts by its share and its weight in the loss; where rows have
    any number of classes, their `labels` are shares.

    Args:
        batch: `pixel_values` (images, channels, height, width) and `labels`; any other where nothing is asked for.
    """
    crop = config.crop or 1.0
    if config.flip or crop < 1:
        batch = batch | {"pixel_values": _windows(batch["pixel_values"], crop, config.flip)}
    asked = [mix for mix, alpha in ((_mixup, config.mixup), (_cutmix, config.cutmix)) if alpha > 0]
    if not asked:
        return batch
    mix = asked[int(torch.randint(len(asked), ()))]
    alpha = config.mixup if mix is _mixup else config.cutmix
    pixels, labels = batch["pixel_values"], batch["labels"]
    order = torch.randperm(len(pixels)).to(pixels.device)
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    mixed, share = mix(pixels, pixels[order], share)
    key = "labels" if labels.ndim > 1 else SHARES
    own = batch[key] if key in batch else torch.nn.functional.one_hot(labels, classes).float()
    weights = batch.get(WEIGHT, torch.ones(len(pixels), device=labels.device))
    mine, others = share * weights, (1 - share) * weights[order]
    told = own * mine[:, None] + own[order] * others[:, None]
    weight = mine + others
    mixture = {"pixel_values": mixed, key: told / weight.clamp(min=1e-12)[:, None]}
    return batch | mixture | ({WEIGHT: weight} if WEIGHT in batch else {})


def _mixup(pixels: Any, others: Any, share: float) -> tuple[Any, float]:
    """Zhang et al. (2018): a weighted mean of two images."""
    return torch.lerp(others, pixels, share), share


def _cutmix(pixels: Any, others: Any, share: float) -> tuple[Any, float]:
    """Yun et al. (2019): a box of the other image, its share of the area the other's share of the label."""
    height, width = pixels.shape[-2:]
    side = math.sqrt(1 - share)
    low, high = [], []
    for length in (height, width):
        middle, half = float(torch.rand(())) * length, side * length / 2
        low.append(round(max(middle - half, 0)))
        high.append(round(min(middle + half, length)))
    box = (..., slice(low[0], high[0]), slice(low[1], high[1]))
    mixed = pixels.clone()
    mixed[box] = others[box]
    return mixed, 1 - (high[0] - low[0]) * (high[1] - low[1]) / (height * width)


def _windows(pixels: Any, crop: float, flip: bool) -> Any:
    """A random window of each image in the image's own size, mirrored or not (Szegedy et al., 2015)."""
    count, aspect = len(pixels), math.log(ASPECT) * (crop < 1)
    area = crop + (1 - crop) * torch.rand(count)
    stretch = torch.exp((2 * torch.rand(count) - 1) * aspect).sqrt()
    size = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch]).clamp(max=1)  # width and height, of 1
    place = (2 * torch.rand(2, count) - 1) * (1 - size)
    mirror = 1 - 2 * (torch.rand(count) < 0.5 * flip).float()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = size[0] * mirror, size[1]
    theta[:, 0, 2], theta[:, 1, 2] = place
    grid = torch.nn.functional.affine_grid(theta, list(pixels.shape), align_corners=False).to(pixels.device)
    seen = torch.nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    return seen.contiguous(memory_format=torch.channels_last)
