"""How fast images are augmented: beside a plain loop over an Albumentations pipeline, and two workers beside one.

Use: augment_images.py FOLDER [--images N] [--rounds N] [--markdown FILE]

FOLDER holds images in any subfolders. Both sides decode each image, apply the same five transforms with p = 0.5 each
(the preset `light`) and encode the result as JPEG of quality 95; ours checks every output, too. The rounds take turns.
One process is timed in seconds of its core, so that other work on the machine does not count. Workers are timed by
the clock, so that it does (look at `uptime` first), and in seconds of all cores: had two workers two cores for
themselves, they would be twice as fast as their seconds make them beside one's.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from toolkit import console, quiet
from toolkit.data.augment import image, run, strategy

SUFFIXES = {".jpg", ".jpeg"}
COPIES = 5  # of each image, where workers are timed: enough for their start not to count
MIRROR = 4  # cv2.BORDER_REFLECT_101


def plain(cells: list[dict[str, Any]]) -> Callable[[], int]:
    """The loop that people write."""
    a = quiet.albumentations()
    pipeline = a.Compose(
        [
            a.HorizontalFlip(p=0.5),
            a.Rotate(limit=10, border_mode=MIRROR, p=0.5),
            a.Affine(scale=(0.9, 1.1), keep_ratio=True, border_mode=MIRROR, p=0.5),
            a.Affine(translate_percent=(-0.05, 0.05), border_mode=MIRROR, p=0.5),
            a.ColorJitter(brightness=0.15, contrast=0.15, saturation=0.15, hue=0.02, p=0.5),
        ],
        seed=0,
    )

    def work() -> int:
        made = 0
        for cell in cells:
            with Image.open(io.BytesIO(cell["bytes"])) as opened:
                pixels = np.array(opened.convert("RGB"))
            out = io.BytesIO()
            Image.fromarray(pipeline(image=pixels)["image"]).save(out, "JPEG", quality=95, subsampling=0)
            made += len(out.getvalue()) > 0
        return made

    return work


def ours(cells: list[dict[str, Any]], workers: int, copies: int = 1) -> Callable[[], int]:
    """Children of each image, as `toolkit augment` makes them."""
    ids = [f"{i:06}" for i in range(len(cells))]
    rows = pa.table({"id": ids, "image": cells})
    draws = strategy.parse(image.PRESETS["light"], image.METHODS, image.FIRST, "light")
    modality, quota = image.MODALITY(rows, None, draws, {}), np.full(len(ids), copies)
    rounds = iter(range(1_000_000))

    def work() -> int:
        taken: set[int] = set()
        blocks = run.children(modality, ids, quota, taken, seed=next(rounds), workers=workers)
        return sum(len(block) for block, _ in blocks)

    return work


def measure(
    sides: dict[str, Callable[[], int]], rounds: int, clock: Callable[[], float]
) -> tuple[dict[str, list[float]], list[float]]:
    """(images a second of each side in each round, the second side's ratio to the first in each round)."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    rng = random.Random(0)
    for number in range(rounds + 1):
        for name in rng.sample(list(sides), len(sides)):
            started = clock()
            made = sides[name]()
            if number:  # the first round warms up
                rates[name].append(made / (clock() - started))
    first, second = rates.values()
    return rates, [b / a for a, b in zip(first, second, strict=True)]


def all_cores() -> float:
    """Seconds that this process and its workers have used."""
    return sum(os.times()[:4])


def told(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=600, help="how many images (default 600)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each comparison (default 7)")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    paths = paths[:: max(1, len(paths) // given.images)][: given.images]
    cells = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]

    rows = []
    alone = {"plain Albumentations": plain(cells), "toolkit, one process": ours(cells, 1)}
    shared = {
        f"toolkit, {n}, {COPIES} copies": ours(cells, k, COPIES) for k, n in ((1, "one worker"), (2, "two workers"))
    }
    for sides, clock, what in (
        (alone, time.process_time, "times"),
        (shared, time.perf_counter, "times, by the clock"),
        (shared, all_cores, "times, had they two cores"),
    ):
        rates, ratios = measure(sides, given.rounds, clock)
        ratios = [2 * ratio for ratio in ratios] if clock is all_cores else ratios
        (first, one), (second, other) = rates.items()
        rows += [[first, told(one, 0), ""], [second, told(other, 0), f"{told(ratios, 2)} {what}"]]
    console.enable()
    header = ["median (least to most) of the rounds", "images a second", "ratio"]
    console.table(f"{len(cells)} images, {given.rounds} rounds", header, rows)
    if given.markdown:
        lines = [header, ["---", "---:", "---:"], *rows]
        given.markdown.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
