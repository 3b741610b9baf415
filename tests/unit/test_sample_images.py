import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toolkit.data import images

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data"
SCRIPT = ROOT / "scripts" / "make_sample_images.py"
MENDED = {  # the planted kinds that are repaired, and how the repair tells them
    "cmyk": "mode CMYK to RGB",
    "palette": "mode P to RGB",
    "transparent": "mode RGBA to RGB",
    "grey": "mode L to RGB",
    "exif_rotated": "turned upright",
}
COPIES = ("exact_duplicates", "reencoded", "resized", "brighter")


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("images/*/*"))


@pytest.fixture(scope="module")
def planted():
    return json.loads((SAMPLE / "images.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files():
    return names(SAMPLE)


@pytest.fixture(scope="module")
def looks(files):
    return images.look([{"bytes": (SAMPLE / name).read_bytes(), "path": name} for name in files])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folders = [tmp_path_factory.mktemp("images") for _ in range(2)]
    for folder in folders:
        subprocess.run([sys.executable, SCRIPT, "--out", folder, "--seed", "7"], check=True, timeout=60)
    return folders


def test_the_script_makes_the_same_bytes_each_time(made):
    first, second = made
    assert names(first) == names(second)
    for name in ("images.json", *names(first)):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_script_makes_what_is_here(made, files, looks):
    """Pixels within what another release of Pillow may change."""
    assert (made[0] / "images.json").read_bytes() == (SAMPLE / "images.json").read_bytes()
    assert names(made[0]) == files
    for name, error in zip(files, looks.error, strict=True):
        if error is None:
            here, there = (np.asarray(Image.open(folder / name).convert("RGB")) for folder in (SAMPLE, made[0]))
            assert here.shape == there.shape
            assert np.abs(here.astype(int) - there).mean() < 3, name


def test_a_second_seed_leaves_no_file_of_the_first(made, tmp_path):
    (tmp_path / "images" / "own").mkdir(parents=True)
    (tmp_path / "images" / "own" / "001.jpg").write_bytes(b"mine")
    for seed in ("1", "2"):
        subprocess.run([sys.executable, SCRIPT, "--out", tmp_path, "--seed", seed], check=True, timeout=60)
    assert len(names(tmp_path)) == len(names(made[0])) + 1
    assert (tmp_path / "images" / "own" / "001.jpg").read_bytes() == b"mine"


def test_the_counts_are_those_of_the_files(planted, files):
    assert {kind: len(found) for kind, found in planted["files"].items()} == planted["planted"]
    assert planted["images"] == len(files)
    removed = sum(count for kind, count in planted["planted"].items() if kind not in MENDED)
    assert planted["clean_images"] == len(files) - removed
    assert sum((SAMPLE / name).stat().st_size for name in files) < 600_000


def test_the_labels_are_balanced(files):
    labels = Counter(name.split("/")[1] for name in files)
    assert set(labels) == {"circle", "cross", "star", "triangle"}
    assert min(labels.values()) > 0.2 * len(files)


def test_what_is_planted_is_repaired_and_nothing_else(planted, files, looks):
    expected = {f"images/{name}": MENDED[kind] for kind in MENDED for name in planted["files"][kind]}
    found = {name: what for name, what in zip(files, looks.wrong, strict=True) if what}
    assert found == expected


def test_the_unreadable_are_found_and_nothing_else(planted, files, looks):
    expected = {f"images/{name}" for kind in ("truncated", "no_image") for name in planted["files"][kind]}
    assert {name for name, error in zip(files, looks.error, strict=True) if error} == expected


def test_copies_are_found_and_nothing_else(planted, files, looks):
    pairs = {frozenset((files[a], files[b])) for a, b in images.pairs(looks)[0]}
    copies = [entry for kind in (*COPIES, "contradictions") for entry in planted["files"][kind] if "of" in entry]
    assert pairs == {frozenset((f"images/{e['file']}", f"images/{e['of']}")) for e in copies}
    contradicting = [e for e in planted["files"]["contradictions"] if "of" in e]
    assert all(e["file"].split("/")[0] != e["of"].split("/")[0] for e in contradicting)


def test_exact_duplicates_have_equal_pixels(planted, files, looks):
    digest = {name: looks.digest[i].tobytes() for i, name in enumerate(files)}
    twins = [(f"images/{e['file']}", f"images/{e['of']}") for e in planted["files"]["exact_duplicates"]]
    assert all(digest[a] == digest[b] for a, b in twins)
    readable = [d for d, error in zip(digest.values(), looks.error, strict=True) if error is None]
    assert len(readable) - len(set(readable)) == planted["planted"]["exact_duplicates"]
    same_bytes = sum((SAMPLE / a).read_bytes() == (SAMPLE / b).read_bytes() for a, b in twins)
    assert 0 < same_bytes < len(twins)
