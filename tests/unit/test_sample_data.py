import csv
import importlib.util
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pyarrow import parquet

import toolkit
from toolkit.data.clean.format import repair

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data"
SCRIPT = ROOT / "scripts" / "make_sample_data.py"
# the stage (and detail) that removes a planted kind; what is not here is repaired
REMOVED_BY = {
    "missing_text": ("missing", "text"),
    "missing_label": ("missing", "label"),
    "too_short": ("low-quality", None),
    "exact_duplicates": ("exact-duplicates", None),
    "near_duplicates": ("near-duplicates", None),
    "contradictions": ("contradictions", None),
}


@pytest.fixture(scope="module")
def planted():
    return json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    return toolkit.clean(SAMPLE / "text.csv", out=tmp_path_factory.mktemp("sample") / "clean").artifact


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_sample_data", SCRIPT)
    module = sys.modules["make_sample_data"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_makes_the_same_bytes(tmp_path):
    subprocess.run([sys.executable, SCRIPT, "--out", tmp_path, "--seed", "7"], check=True, timeout=60)
    for name in ("text.csv", "planted.json", "README.md"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()


@pytest.mark.parametrize("kind", REMOVED_BY)
def test_what_is_planted_is_removed(kind, planted, cleaned):
    stage, detail = REMOVED_BY[kind]
    rejects = parquet.read_table(cleaned / "rejected.parquet").to_pylist()
    assert sum(r["stage"] == stage and detail in (None, r["detail"]) for r in rejects) == planted["planted"][kind]


def test_nothing_else_is_removed(planted, cleaned):
    report = json.loads((cleaned / "report.json").read_text(encoding="utf-8"))
    assert report["rows"] == {"in": planted["rows"], "out": planted["clean_rows"]}
    assert parquet.read_table(cleaned / "data" / "train.parquet").num_rows == planted["clean_rows"]
    removed = sum(count for kind, count in planted["planted"].items() if kind in REMOVED_BY)
    assert planted["rows"] - planted["clean_rows"] == removed


def test_what_is_planted_is_repaired(planted, cleaned):
    """Texts of white space alone are changed too, and then removed."""
    changes = parquet.read_table(cleaned / "changes.parquet").to_pylist()
    repaired = [change for change in changes if change["after"]]
    assert len(repaired) == sum(count for kind, count in planted["planted"].items() if kind not in REMOVED_BY)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_repair_gives_back_the_very_text(generator, language):
    rng, found = random.Random(0), Counter()
    for _ in range(300):
        text = generator.message(rng, language).text
        assert repair(text) == text
        for kind, soil in generator.DIRT.items():
            dirty = soil(rng, text, language)
            if dirty is not None and dirty != text:
                found[kind] += 1
                assert repair(dirty) == text, kind
    assert set(found) == set(generator.DIRT)


def test_the_sample_is_balanced_enough():
    with (SAMPLE / "text.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = Counter(row["label"] for row in rows if row["label"])
    assert set(labels) == {"delivery", "product", "billing"}
    assert min(labels.values()) > 0.2 * len(rows)
