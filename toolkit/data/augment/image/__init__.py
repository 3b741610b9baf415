"""Augmentation of images: the table of its methods, and how they come together in one child and are checked.

A transform is `(image, rng, **parameters) -> image`, a mixture `(image, partner, rng, **parameters) -> (image, share)`;
an image is uint8 RGB, and its size stays. A parameter without a default is a resource that the command hands in. A
child takes each transform of the strategy with that transform's own p, one at least, in the strategy's order; or it is
a mixture, whose p is its weight beside the 1 of all transforms together.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash

from toolkit import quiet
from toolkit.data.augment.image import mixing, style, transforms
from toolkit.data.augment.image.sheet import examples
from toolkit.data.augment.image.style import load_references
from toolkit.data.augment.image.transforms import Rng
from toolkit.data.augment.run import Made, Task
from toolkit.data.augment.strategy import Draw, bind
from toolkit.data.images.decode import QUALITY, Picture, Unreadable, decode
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FIRST", "METHODS", "MODALITY", "PRESETS", "examples", "keys", "load_references"]

METHODS: dict[str, Callable[..., Any]] = {
    "horizontal_flip": transforms.horizontal_flip,
    "vertical_flip": transforms.vertical_flip,
    "rotate": transforms.rotate,
    "scale": transforms.scale,
    "shift": transforms.shift,
    "shear": transforms.shear,
    "perspective": transforms.perspective,
    "crop": transforms.crop,
    "grid_distortion": transforms.grid_distortion,
    "elastic": transforms.elastic,
    "color_jitter": transforms.color_jitter,
    "brightness_contrast": transforms.brightness_contrast,
    "gamma": transforms.gamma,
    "clahe": transforms.clahe,
    "hsv_shift": transforms.hsv_shift,
    "to_hsv": transforms.to_hsv,
    "grey": transforms.grey,
    "equalize": transforms.equalize,
    "solarize": transforms.solarize,
    "posterize": transforms.posterize,
    "shadow": transforms.shadow,
    "fog": transforms.fog,
    "rain": transforms.rain,
    "blur": transforms.blur,
    "motion_blur": transforms.motion_blur,
    "noise": transforms.noise,
    "jpeg": transforms.jpeg,
    "downscale": transforms.downscale,
    "sharpen": transforms.sharpen,
    "coarse_dropout": transforms.coarse_dropout,
    "histogram_matching": style.histogram_matching,
    "fourier_domain_adaptation": style.fourier_domain_adaptation,
    "mixup": mixing.mixup,
    "cutmix": mixing.cutmix,
}
MIXTURES = ("mixup", "cutmix")
FIRST = None  # a bare number sets the method's own first parameter
# A mirrored letter or digit is another one: such data want a strategy without flips.
PRESETS: dict[str, dict[str, Any]] = {
    "light": {
        "horizontal_flip": 0.5,
        "rotate": 10,
        "scale": [0.9, 1.1],
        "shift": 0.05,
        "color_jitter": [0.15, 0.15, 0.15, 0.02],
    },
    "strong": {
        "horizontal_flip": 0.5,
        "crop": 0.5,
        "rotate": 25,
        "shear": {"limit": 12, "p": 0.3},
        "perspective": {"strength": 0.08, "p": 0.3},
        "elastic": {"p": 0.2},
        "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8},
        "grey": 0.1,
        "blur": {"p": 0.2},
        "coarse_dropout": {"p": 0.3},
    },
    "noise": {
        "noise": {"sigma": 0.1},
        "blur": {"sigma": 1.5, "p": 0.3},
        "motion_blur": {"p": 0.3},
        "jpeg": {},
        "brightness_contrast": {"p": 0.3},
        "shadow": {"p": 0.2},
        "fog": {"p": 0.1},
        "rain": {"p": 0.1},
    },
}
BYTES = 32 << 20  # of the parents of a block
STRIP = 64  # times as long as wide: such an image is passed over, since mirroring at the edges would take for ever
SMALL = 16  # pixels of a thumbnail's shorter side
LEAST = 0.1  # of the contrast that stays


class Bound(NamedTuple):
    """A method of the strategy with its parameters."""

    name: str
    p: float
    method: Callable[..., Any]


class Images:
    """See `run.Modality`."""

    batched: frozenset[int] = frozenset()

    def __init__(self, rows: pa.Table, codes: Any, draws: list[Draw], given: Mapping[str, Any]) -> None:
        quiet.albumentations()  # here, and not again in each worker
        self.cells = rows.column("image")
        bound = [Bound(draw.name, draw.p, bind(draw, METHODS, given)) for draw in draws]
        self.transforms = [found for found in bound if found.name not in MIXTURES]
        self.mixtures = [found for found in bound if found.name in MIXTURES]
        self.weights: Sequence[float] = [1.0] * bool(self.transforms) + [found.p for found in self.mixtures]
        self.mixes = bool(self.mixtures)
        if self.mixes and _several(rows):
            raise ToolkitError(f"{self.mixtures[0].name} shares out one class a row; here are several", "leave it out")
        self.block = int(np.clip(BYTES * len(rows) // max(1, self.cells.nbytes), 16, 4096))
        self.chunk = max(1, self.block // 128)  # of small images more, since a message costs as much as one of them
        self._originals = _originals(rows) if self.mixes else []
        self._last: tuple[int, str, Picture | None] = (-1, "", None)

    def assembled(self, parents: pa.Table, values: list[dict[str, Any]]) -> pa.Table:
        """The parents with the children's images in place of their own."""
        import pyarrow as pa

        at = parents.column_names.index("image")
        return parents.set_column(at, parents.schema.field(at), pa.array(values, parents.schema.field(at).type))

    def make(self, tasks: list[Task]) -> list[Made]:
        return [self._one(task) for task in tasks]

    def _one(self, task: Task) -> Made:
        rng, (stem, picture) = Rng(task.seed), self._picture(task.row)
        at = task.choice - bool(self.transforms)
        drawn = self._drawn(rng) if at < 0 else self.mixtures[at : at + 1]
        if picture is None:
            return Made(_joined(drawn), None, "impossible")
        before = np.asarray(picture.image)
        made = _transformed(before, rng, drawn) if at < 0 else self._mixed(before, task.row, rng, drawn[0])
        if made.verdict != "made":
            return made
        if np.array_equal(made.value, before):
            return made._replace(value=None, verdict="unchanged")
        if lost(before, made.value):
            return made._replace(value=None, verdict="too different")
        data, suffix = encoded(made.value, picture)
        return made._replace(
            value={"bytes": data, "path": f"{stem}+{task.copy + 1}{suffix}"}, key=xxhash.xxh3_64_intdigest(data)
        )

    def _picture(self, row: int) -> tuple[str, Picture | None]:
        """(path without its ending, image if it can be used) of this row; kept for the row's next copy."""
        if self._last[0] != row:
            cell = self.cells[row].as_py() or {}
            self._last = (row, os.path.splitext(cell.get("path") or "image")[0], _read(cell))
        return self._last[1:]

    def _drawn(self, rng: Rng) -> list[Bound]:
        """The transforms of a child."""
        drawn = [found for found in self.transforms if rng.random() < found.p]
        return drawn or rng.choices(self.transforms, [found.p for found in self.transforms])

    def _mixed(self, image: Any, row: int, rng: Rng, mixture: Bound) -> Made:
        partner = self._partner(row, rng)
        picture = None if partner is None else _read(self.cells[partner].as_py())
        if partner is None or picture is None:
            return Made(mixture.name, None, "impossible")
        made, share = mixture.method(image, mixing.fitted(np.asarray(picture.image), *image.shape[:2]), rng)
        return Made(mixture.name, made, partner=partner, share=share)

    def _partner(self, row: int, rng: Rng) -> int | None:
        """Another row, each as likely as the others; by their ids, so that the order of the rows plays no part."""
        rows = self._originals
        at = rng.randrange(len(rows))
        if rows[at] == row:
            if len(rows) == 1:
                return None
            at = (at + rng.randrange(1, len(rows))) % len(rows)
        return rows[at]


def _transformed(image: Any, rng: Rng, drawn: list[Bound]) -> Made:
    applied = []
    for found in drawn:
        try:
            image = found.method(image, rng)
        except Exception:  # OpenCV and Albumentations raise anything on an image that is too small for them
            continue
        applied.append(found)
    return Made(_joined(applied), image) if applied else Made(_joined(drawn), None, "impossible")


def _joined(methods: list[Bound]) -> str:
    return "+".join(found.name for found in methods)


def _read(cell: dict[str, Any] | None) -> Picture | None:
    try:
        picture = decode((cell or {}).get("bytes"))
    except Unreadable:
        return None
    return picture if max(picture.image.size) <= STRIP * min(picture.image.size) else None


def _several(rows: pa.Table) -> bool:
    """Whether a row may have several classes."""
    import pyarrow as pa

    return "label" in rows.column_names and pa.types.is_list(rows.schema.field("label").type)


def _originals(rows: pa.Table) -> list[int]:
    """The rows that are no children, in the order of their ids."""
    ids, parents = rows.column("id").to_pylist(), [None] * len(rows)
    if "parent_id" in rows.column_names:
        parents = rows.column("parent_id").to_pylist()
    return sorted((row for row, parent in enumerate(parents) if parent is None), key=ids.__getitem__)


def encoded(image: Any, parent: Picture) -> tuple[bytes, str]:
    """(bytes, ending of a file name): a JPEG for a JPEG, else a PNG; with the parent's colour profile."""
    from PIL import Image

    out, picture = io.BytesIO(), Image.fromarray(image)
    if parent.format in ("JPEG", "MPO"):
        picture.save(out, "JPEG", quality=QUALITY, subsampling=0, icc_profile=parent.profile)
        return out.getvalue(), ".jpg"
    picture.save(out, "PNG", icc_profile=parent.profile)
    return out.getvalue(), ".png"


def lost(before: Any, after: Any) -> bool:
    """Whether less than a tenth of the contrast is left: the picture is nearly one colour, black or blown out.

    Contrast is the standard deviation of each channel over thumbnails, in which noise averages out, so that it hardly
    counts as detail. Photographs of clothes have 31 to 69 grey levels of it (10th and 90th percentile); looked at,
    the outlines of what is shown are gone below a tenth of that and still there above. A picture of one colour has
    nothing to lose.
    """
    has = contrast(after)
    return has < LEAST * 127.5 and has < LEAST * contrast(before)  # 127.5 is the most that there can be


def contrast(image: Any) -> float:
    """The standard deviation of the channels over a thumbnail, in grey levels."""
    import cv2

    while min(image.shape[:2]) >= 2 * SMALL:  # by halves: many times as fast as by another factor
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return float(np.sqrt((cv2.meanStdDev(image)[1] ** 2).mean()))


def keys(rows: pa.Table) -> set[int]:
    """The keys of images that are there already: of their bytes, so that a child of an earlier run is known again."""
    import pyarrow.compute as pc

    out: set[int] = set()
    for chunk in pc.struct_field(rows.column("image"), "bytes").chunks:
        out.update(xxhash.xxh3_64_intdigest(data.as_buffer()) for data in chunk if data.is_valid)
    return out


MODALITY = Images
