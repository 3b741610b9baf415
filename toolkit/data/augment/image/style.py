"""Style by reference images: the content stays, colours and light come from another picture.

References are uint8 RGB arrays; `load_references` reads a folder of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np

from toolkit import console
from toolkit.data.augment.strategy import Between, Share
from toolkit.data.images.decode import Unreadable, decode
from toolkit.data.sources.images import is_image
from toolkit.errors import ToolkitError

Pixels = Any  # uint8 (height, width, 3)
MOST = 1_000  # references, 200 MB of memory: of more as many are read, evenly over their names
SIDE = 256  # pixels of a reference's longer side: its style is in the colours and the low frequencies


def load_references(folder: str | Path) -> list[Pixels]:
    """The images in a folder and below, by name (`MOST` of them), each reduced to `SIDE` pixels at most.

    Raises:
        ToolkitError: none that can be read.
    """
    paths = sorted(path for path in Path(folder).rglob("*") if is_image(path) and path.is_file())
    if len(paths) > MOST:
        console.warn(f"{MOST} of {len(paths)} references are read, evenly over their names")
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, MOST).astype(int)]
    out, failed = [], []
    for path in console.track(paths, "reading references"):
        try:
            image = decode(path.read_bytes()).image
        except Unreadable as e:
            failed.append(f"{path.name} ({e})")
            continue
        image.thumbnail((SIDE, SIDE))
        out.append(np.array(image))
    if not out:
        raise ToolkitError(f"no image can be read in {folder}", "give a folder of reference images (.jpg, .png …)")
    if failed:
        console.warn(f"{len(failed)} of {len(paths)} references cannot be read, the first is {failed[0]}")
    return out


def histogram_matching(image: Pixels, rng: Random, *, references: Sequence[Pixels], low: Share = 0.5) -> Pixels:
    """Give each channel the distribution of a reference's, and blend: the share of the result is between `low` and 1.

    The values are mapped so that the cumulative histograms agree (Gonzalez and Woods, "Digital Image Processing").
    """
    reference, share = rng.choice(references), rng.uniform(low, 1.0)
    out = np.empty_like(image)
    for channel in range(3):
        have, want = (_cumulative(pixels[..., channel]) for pixels in (image, reference))
        matched = np.interp(have, want, np.arange(256))
        table = share * matched + (1 - share) * np.arange(256)
        out[..., channel] = np.rint(table).astype(np.uint8)[image[..., channel]]
    return out


def _cumulative(channel: Any) -> Any:
    """(256,) share of the pixels up to each value; a value's own pixels count half, so that equals map to equals."""
    counts = np.bincount(channel.ravel(), minlength=256) / channel.size
    return np.cumsum(counts) - counts / 2


def fourier_domain_adaptation(
    image: Pixels, rng: Random, *, references: Sequence[Pixels], beta: Annotated[float, Between(0, 0.5)] = 0.05
) -> Pixels:
    """Take the amplitudes of the low frequencies from a reference, the phases stay (FDA; Yang and Soatto, 2020).

    Low are frequencies of up to a share of the shorter side (in cycles), drawn between 0 and `beta`.
    """
    import cv2
    from scipy import fft

    reference, share = rng.choice(references), rng.uniform(0, beta)
    height, width = image.shape[:2]
    if reference.shape != image.shape:
        reference = cv2.resize(reference, (width, height), interpolation=cv2.INTER_AREA)
    edge = int(min(height, width) * share)
    out = np.empty_like(image)
    for channel in range(3):
        own, other = (fft.rfft2(pixels[..., channel].astype(np.float32)) for pixels in (image, reference))
        for rows in (slice(0, edge + 1), slice(max(height - edge, edge + 1), height)):  # 0 up, then the negative ones
            low = own[rows, : edge + 1]
            own[rows, : edge + 1] = np.abs(other[rows, : edge + 1]) * np.exp(1j * np.angle(low))
        out[..., channel] = np.clip(np.rint(fft.irfft2(own, s=(height, width))), 0, 255)
    return out
