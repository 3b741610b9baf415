"""How well near copies of images are found: recall for each kind of copy, false pairs, and seconds.

Use: images.py FOLDER [--markdown FILE] [--search 10000,100000]

FOLDER holds images in any subfolders. Each is copied in every way below; one run looks for pairs among originals and
copies of one kind. Pairs of two originals are counted as found in the folder, all other wrong pairs as false. The
last rows are no copies: a patch of another image is pasted over the original, and the pair should not be found.
--search times the search alone among so many thumbnails, each the mean of two of the folder's.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from toolkit import console
from toolkit.data import images

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def encoded(image: Image.Image, quality: int = 85) -> dict[str, Any]:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return {"bytes": out.getvalue(), "path": ""}


def sized(image: Image.Image, share: float) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    box = (width * left, height * top, width * (1 - right), height * (1 - bottom))
    left_, top_, right_, bottom_ = (round(edge) for edge in box)
    return image.crop((left_, top_, right_, bottom_))


def lettered(image: Image.Image, text: str, plate: bool) -> Image.Image:
    out = image.copy()
    draw = ImageDraw.Draw(out)
    box = draw.textbbox((0, 0), text)
    x, y = out.width - box[2] - 4, out.height - box[3] - 4
    if plate:
        draw.rectangle((x - 3, y, out.width - 2, out.height - 2), fill="black")
    draw.text((x, y), text, fill="white")
    return out


COPIES: dict[str, Callable[[Image.Image], dict[str, Any]]] = {
    "JPEG quality 90": lambda i: encoded(i, 90),
    "JPEG quality 70": lambda i: encoded(i, 70),
    "JPEG quality 50": lambda i: encoded(i, 50),
    "resized to 50%": lambda i: encoded(sized(i, 0.5)),
    "resized to 90%": lambda i: encoded(sized(i, 0.9)),
    "resized to 150%": lambda i: encoded(sized(i, 1.5)),
    "resized to 128 x 128": lambda i: encoded(i.resize((128, 128))),
    "brightness +15%": lambda i: encoded(ImageEnhance.Brightness(i).enhance(1.15)),
    "brightness -15%": lambda i: encoded(ImageEnhance.Brightness(i).enhance(0.85)),
    "contrast +15%": lambda i: encoded(ImageEnhance.Contrast(i).enhance(1.15)),
    "contrast -15%": lambda i: encoded(ImageEnhance.Contrast(i).enhance(0.85)),
    "blur, 1 pixel": lambda i: encoded(i.filter(ImageFilter.GaussianBlur(1))),
    "crop 1% of each side": lambda i: encoded(cropped(i, 0.01, 0.01, 0.01, 0.01)),
    "crop 2% of each side": lambda i: encoded(cropped(i, 0.02, 0.02, 0.02, 0.02)),
    "crop 4% of the left": lambda i: encoded(cropped(i, 0.04, 0, 0, 0)),
    "crop 4% of left and top": lambda i: encoded(cropped(i, 0.04, 0.04, 0, 0)),
    "crop 2% of each side, 50%, quality 50": lambda i: encoded(sized(cropped(i, 0.02, 0.02, 0.02, 0.02), 0.5), 50),
    "grey": lambda i: encoded(i.convert("L")),
    "time stamp": lambda i: encoded(lettered(i, "12:45", plate=False)),
    "label on a black plate": lambda i: encoded(lettered(i, "shop.example", plate=True)),
    "mirrored": lambda i: encoded(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
}
PATCHES = (0.1, 0.15, 0.2, 0.3)  # of each side


def pasted(rng: random.Random, image: Image.Image, other: Image.Image, share: float) -> dict[str, Any]:
    out, width, height = image.copy(), round(image.width * share), round(image.height * share)
    x, y = rng.randint(0, max(0, other.width - width)), rng.randint(0, max(0, other.height - height))
    place = (rng.randint(0, image.width - width), rng.randint(0, image.height - height))
    out.paste(other.crop((x, y, x + width, y + height)), place)
    return encoded(out, 90)


def measure(looks: images.Looks, cells: list[dict[str, Any]], known: set[tuple[int, int]]) -> tuple[float, int]:
    """(share of the copies that are paired with their original, pairs that are neither that nor known)."""
    count = len(cells)
    both = images.Looks(2 * count)
    both.luma[:count], both.chroma[:count], both.digest[:count] = looks.luma, looks.chroma, looks.digest
    both.see(range(count, 2 * count), cells)
    found, _ = images.pairs(both)
    right = sum(b == a + count for a, b in found)
    alike = known | {(i, i) for i in range(count)}
    return right / count, sum((min(a % count, b % count), max(a % count, b % count)) not in alike for a, b in found)


def blended(looks: images.Looks, count: int) -> images.Looks:
    """What so many other images would look like: each the mean of two."""
    rng, out = np.random.default_rng(0), images.Looks(count)
    one, two = (rng.integers(len(looks), size=count) for _ in range(2))
    out.luma[:] = (looks.luma[one].astype(np.uint16) + looks.luma[two][:, :, ::-1]) // 2
    out.chroma[:] = (looks.chroma[one].astype(np.uint16) + looks.chroma[two][:, :, :, ::-1]) // 2
    out.digest[:] = rng.integers(2**63, size=(count, 2))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--search", type=lambda text: [int(part) for part in text.split(",")])
    given = parser.parse_args()
    paths = sorted(p for p in given.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    console.enable()

    started = time.process_time()
    looks = images.look([{"bytes": path.read_bytes(), "path": str(path)} for path in paths])
    seen = time.process_time()
    known, checked = images.pairs(looks)
    done = time.process_time()
    console.note(f"{len(paths):,} images: looked at in {seen - started:.1f} s of one core")
    console.note(f"{checked:,} candidates compared in {done - seen:.1f} s; near copies in the folder: {len(known)}")
    for a, b in known:
        console.note(f"  {paths[a].relative_to(given.folder)}  {paths[b].relative_to(given.folder)}")

    for count in given.search or []:
        many = blended(looks, count)
        started = time.perf_counter()
        found, checked = images.pairs(many)
        seconds = time.perf_counter() - started
        console.note(f"{count:,} thumbnails: {seconds:.1f} s, {checked:,} compared, {len(found):,} pairs")
    if given.search:
        return
    pictures = [Image.open(path).convert("RGB") for path in paths]
    rng, rows = random.Random(0), []
    for name, copy in COPIES.items():
        recall, false = measure(looks, [copy(picture) for picture in pictures], set(known))
        rows.append([name, f"{recall:.4f}", str(false)])
    for share in PATCHES:
        cells = [pasted(rng, picture, rng.choice(pictures), share) for picture in pictures]
        recall, false = measure(looks, cells, set(known))
        rows.append([f"no copy: a patch of {share:.0%} of each side", f"{recall:.4f}", str(false)])
    header = ["copy", "found", "false pairs"]
    console.table("Near copies", header, rows)
    if given.markdown:
        lines = [header, ["---", "---:", "---:"], *rows]
        given.markdown.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
