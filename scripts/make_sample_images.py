"""Make the sample images: signs on a few shared backgrounds, with planted dirt.

    python scripts/make_sample_images.py --out sample_data --seed 7

The label is the shape of the sign: circle, cross, star or triangle. Its size, place, turn and colours are drawn at
random, and the backgrounds are few and shared by all classes, so that images differ in the sign alone. No two clean
images are near copies. The pixels follow from the seed; the bytes also from the version of Pillow.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

LABELS = ("circle", "cross", "star", "triangle")
CLEAN = 194  # images that remain once the dirt is repaired or removed
SCALE = 4  # drawn larger, then made small, for smooth edges
BACKGROUNDS = [(205, 190, 165), (150, 160, 170), (225, 225, 220), (110, 135, 110), (95, 85, 80), (180, 200, 215)]
COLOURS = [(190, 40, 40), (30, 90, 170), (40, 120, 60), (230, 200, 60), (120, 60, 140), (240, 240, 235), (40, 40, 45)]

# How many images of each kind are planted.
REPAIRED = {"cmyk": 4, "palette": 6, "transparent": 6, "grey": 6, "exif_rotated": 6}
REMOVED = {
    "exact_duplicates": 10,  # equal pixels; every other one in another file
    "reencoded": 8,  # near-duplicates: JPEG of a lower quality
    "resized": 6,  # by 90%
    "brighter": 6,  # by 8%
    "truncated": 1,
    "no_image": 1,
    "contradictions": 4,  # images, two for each pair of near copies under two labels
}


@dataclass(frozen=True)
class Sample:
    """One file."""

    label: str
    data: bytes
    suffix: str
    kind: str  # of dirt, "" for none
    place: float
    of: float | None = None  # a copy: the place of its original


def background(rng: random.Random, kind: int, width: int, height: int) -> Any:
    """One of six backgrounds, lit a little differently each time: float (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [
        8 * np.sin(40 * y + 3 * np.sin(6 * x)),  # wood
        np.where((np.floor(x * 8) + np.floor(y * 8)) % 2, 12, -12),  # tiles
        30 * (x - 0.5),  # light from the side
        10 * np.sin(50 * x) * np.sin(50 * y),  # cloth
        25 * (0.5 - np.hypot(x - 0.5, y - 0.5)),  # a lamp
        18 * np.where(y > 0.66, -1.0, 0.3),  # a table before a wall
    ]
    light = rng.uniform(0.9, 1.1)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 3, (height, width, 1))
    return (np.array(BACKGROUNDS[kind]) + waves[kind][:, :, None]) * light + noise


def outline(label: str) -> list[tuple[float, float]]:
    """The corners of a sign that fits into the unit circle."""
    if label == "cross":
        corners = [(0.33, 0.95), (0.33, 0.33), (0.95, 0.33)]
        quarters = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))  # turned by 0, 90, 180 and 270 degrees
        return [(a * x + b * y, c * x + d * y) for a, b, c, d in quarters for x, y in corners]
    count, inner = {"circle": (48, 1.0), "star": (10, 0.45), "triangle": (3, 1.0)}[label]
    points = [(2 * math.pi * k / count, inner if k % 2 else 1.0) for k in range(count)]
    return [(math.sin(angle) * radius, math.cos(angle) * radius) for angle, radius in points]


@dataclass(frozen=True)
class Scene:
    """What is drawn: lengths in pixels, the turn in radians."""

    label: str
    width: int
    height: int
    background: int
    colour: tuple[int, int, int]
    radius: float
    middle: tuple[float, float]
    turn: float

    def near(self, other: Scene) -> bool:
        """Whether the two pictures might pass for one."""
        same = (self.label, self.background, self.colour) == (other.label, other.background, other.colour)
        return same and math.dist(self.shares(), other.shares()) < 0.15

    def shares(self) -> tuple[float, ...]:
        x, y = self.middle
        return self.radius / self.width, self.radius / self.height, x / self.width, y / self.height


def scenes(rng: random.Random) -> Iterator[Scene]:
    """Scenes without end, the labels in turn; none might pass for one before."""
    before: list[Scene] = []
    while True:
        label, kind = LABELS[len(before) % len(LABELS)], rng.randrange(len(BACKGROUNDS))
        width, height = rng.randint(48, 64), rng.randint(40, 64)
        radius = min(width, height) * rng.uniform(0.26, 0.42)
        middle = (rng.uniform(radius, width - radius), rng.uniform(radius, height - radius))
        colour = rng.choice([colour for colour in COLOURS if abs(grey(colour) - grey(BACKGROUNDS[kind])) > 40])
        scene = Scene(label, width, height, kind, colour, radius, middle, rng.uniform(-0.4, 0.4))
        if not any(scene.near(other) for other in before):
            before.append(scene)
            yield scene


def grey(colour: tuple[int, int, int]) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def draw(rng: random.Random, scene: Scene) -> Image.Image:
    """The scene, RGB; light, noise and the shade of the colour are drawn anew."""
    width, height, (x, y) = scene.width, scene.height, scene.middle
    cos, sin = scene.radius * math.cos(scene.turn), scene.radius * math.sin(scene.turn)
    corners = [(SCALE * (x + cos * u - sin * v), SCALE * (y - sin * u - cos * v)) for u, v in outline(scene.label)]
    mask = Image.new("L", (SCALE * width, SCALE * height))
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    share = np.asarray(mask.resize((width, height), Image.Resampling.BOX), dtype=float)[:, :, None] / 255
    canvas = background(rng, scene.background, width, height)
    paint = np.array(scene.colour) + np.array([rng.uniform(-20, 20) for _ in range(3)])
    return Image.fromarray(np.clip(canvas * (1 - share) + paint * share, 0, 255).round().astype(np.uint8))


def encode(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **({"quality": 88} if form == "JPEG" else {}) | options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


# --- dirt that a cleaner repairs: picture -> (bytes, suffix) ------------------------------------------------------


def transparent(image: Image.Image) -> tuple[bytes, str]:
    """The corners cut away; below them hides a colour that should never be seen."""
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius=10, fill=255)
    hidden = Image.composite(image, Image.new("RGB", image.size, (255, 0, 255)), mask)
    hidden.putalpha(mask)
    return encode(hidden.quantize(64, Image.Quantize.FASTOCTREE).convert("RGBA"), "PNG"), "png"


def exif_rotated(image: Image.Image) -> tuple[bytes, str]:
    """Stored on its side, as by a camera, with the tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(image.transpose(Image.Transpose.ROTATE_90), exif=exif), "jpg"


SOIL: dict[str, Callable[[Image.Image], tuple[bytes, str]]] = {
    "cmyk": lambda image: (encode(image.convert("CMYK")), "jpg"),
    "palette": lambda image: (encode(image.quantize(32), "PNG"), "png"),
    "transparent": transparent,
    "grey": lambda image: (encode(image.convert("L")), "jpg"),
    "exif_rotated": exif_rotated,
}

# --- copies: bytes -> (bytes, suffix) ---------------------------------------------------------------------------


def resized(data: bytes) -> tuple[bytes, str]:
    image = opened(data)
    return encode(image.resize((round(image.width * 0.9), round(image.height * 0.9)), Image.Resampling.BICUBIC)), "jpg"


COPIES: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "reencoded": lambda data: (encode(opened(data), quality=65), "jpg"),
    "resized": resized,
    "brighter": lambda data: (encode(ImageEnhance.Brightness(opened(data)).enhance(1.08)), "jpg"),
}


def later(rng: random.Random, original: Sample, kind: str, made: tuple[bytes, str]) -> Sample:
    """A copy comes after its original."""
    return replace(
        original,
        data=made[0],
        suffix=made[1],
        kind=kind,
        place=rng.uniform(original.place, 1),
        of=original.place,
    )


def make(rng: random.Random) -> Iterator[Sample]:
    new = scenes(rng)
    kinds = [kind for kind, count in REPAIRED.items() for _ in range(count)]
    clean = []
    for kind in (*kinds, *[""] * (CLEAN - len(kinds))):
        scene = next(new)
        data, suffix = SOIL[kind](draw(rng, scene)) if kind else (encode(draw(rng, scene)), "jpg")
        clean.append(Sample(scene.label, data, suffix, kind, rng.random()))
    yield from clean
    originals = iter(rng.sample(clean[len(kinds) :], len(clean) - len(kinds)))
    for i in range(REMOVED["exact_duplicates"]):
        first = next(originals)
        same = (encode(opened(first.data), "PNG"), "png") if i % 2 else (first.data, "jpg")
        yield later(rng, first, "exact_duplicates", same)
    for kind, copy in COPIES.items():
        for _ in range(REMOVED[kind]):
            first = next(originals)
            yield later(rng, first, kind, copy(first.data))
    for _ in range(REMOVED["contradictions"] // 2):
        scene = next(new)
        first = Sample(scene.label, encode(draw(rng, scene)), "jpg", "contradictions", rng.random())
        other = rng.choice([label for label in LABELS if label != scene.label])
        yield first
        yield replace(later(rng, first, "contradictions", COPIES["reencoded"](first.data)), label=other)
    scene = next(new)
    data = encode(draw(rng, scene))
    yield Sample(scene.label, data[: len(data) // 2], "jpg", "truncated", rng.random())
    yield Sample("cross", b"<html><body>404 Not Found</body></html>\n", "jpg", "no_image", rng.random())


def write(folder: Path, samples: list[Sample]) -> dict[str, list[Any]]:
    """Write the files, numbered in their order; gives the dirty ones by kind, a copy with its original."""
    for old in folder.glob("*/[0-9][0-9][0-9].*"):
        if old.parent.name in LABELS:
            old.unlink()
    names = {s.place: f"{s.label}/{i:03}.{s.suffix}" for i, s in enumerate(samples)}
    files: dict[str, list[Any]] = {}
    for sample in samples:
        name = names[sample.place]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(sample.data)
        if sample.kind:
            entry = name if sample.of is None else {"file": name, "of": names[sample.of]}
            files.setdefault(sample.kind, []).append(entry)
    return {kind: files[kind] for kind in (*REPAIRED, *REMOVED)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample images.")
    parser.add_argument("--out", type=Path, default=Path("sample_data"), help="folder to write images/ to")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    samples = sorted(make(random.Random(options.seed)), key=lambda sample: sample.place)
    options.out.mkdir(parents=True, exist_ok=True)
    files = write(options.out / "images", samples)
    summary = {"images": len(samples), "clean_images": CLEAN, "planted": REPAIRED | REMOVED, "files": files}
    (options.out / "images.json").write_bytes((json.dumps(summary, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
