"""Two images made into one, whose label is shared: `(image, partner, rng, *, alpha) -> (image, share)`.

The partner has the image's size. `share`, how much of the mixture is the first image's, is a half at least: the row
keeps its parent's label besides the weights. Of two images mixed by a symmetric Beta distribution nothing is lost by
that, since each pair is as likely to be drawn the other way round.
"""

from __future__ import annotations

import math
from random import Random
from typing import Annotated, Any

from toolkit.data.augment.strategy import Between

Pixels = Any  # uint8 (height, width, 3)
Alpha = Annotated[float, Between(0.01, 100)]


def mixup(image: Pixels, partner: Pixels, rng: Random, *, alpha: Alpha = 0.4) -> tuple[Pixels, float]:
    """The weighted mean of both, the weight by Beta(`alpha`, `alpha`) (Zhang et al., 2018)."""
    import cv2

    share = _share(rng, alpha)
    return cv2.addWeighted(image, share, partner, 1 - share, 0), share


def cutmix(image: Pixels, partner: Pixels, rng: Random, *, alpha: Alpha = 1.0) -> tuple[Pixels, float]:
    """A box of the partner is pasted in its place, of an area by Beta(`alpha`, `alpha`) (Yun et al., 2019).

    The box is centred anywhere and clipped at the edges; the share is counted in pixels afterwards.
    """
    height, width = image.shape[:2]
    side = math.sqrt(1 - _share(rng, alpha))
    y, x = rng.randrange(height), rng.randrange(width)
    half_height, half_width = round(height * side) // 2, round(width * side) // 2
    top, bottom = max(0, y - half_height), min(height, y + half_height)
    left, right = max(0, x - half_width), min(width, x + half_width)
    out = image.copy()
    out[top:bottom, left:right] = partner[top:bottom, left:right]
    return out, 1 - (bottom - top) * (right - left) / (height * width)


def _share(rng: Random, alpha: float) -> float:
    drawn = rng.betavariate(alpha, alpha)
    return max(drawn, 1 - drawn)


def fitted(partner: Pixels, height: int, width: int) -> Pixels:
    """The partner at another size."""
    import cv2

    if partner.shape[:2] == (height, width):
        return partner
    smaller = partner.shape[0] > height and partner.shape[1] > width
    return cv2.resize(partner, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
