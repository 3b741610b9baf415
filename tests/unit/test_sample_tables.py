import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data"
SCRIPT = ROOT / "scripts" / "make_sample_tables.py"
FILES = (
    "table.csv",
    "votes.csv",
    "votes_truth.csv",
    "label_studio.json",
    "series/Waves_TRAIN.ts",
    "series/Waves_TEST.ts",
    "tables.json",
)


@pytest.fixture(scope="module")
def planted():
    return json.loads((SAMPLE / "tables.json").read_text(encoding="utf-8"))


def rows(name):
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def series(name):
    lines = (SAMPLE / "series" / f"Waves_{name}.ts").read_text(encoding="utf-8").splitlines()
    head = lines[: lines.index("@data") + 1]
    return head, [line.split(":") for line in lines[len(head) :]]


def test_the_script_makes_the_same_bytes(tmp_path):
    subprocess.run([sys.executable, SCRIPT, "--out", tmp_path, "--seed", "7"], check=True, timeout=60)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_the_table_has_the_planted_dirt(planted):
    table, counts = rows("table.csv"), planted["table"]["planted"]
    measures, categories = ("temperature_c", "thickness_mm", "gloss", "weight_g"), ("kiln", "clay")
    assert len(table) == planted["table"]["rows"] == 300
    # a copy of a row with a gap would be one gap more, so only rows without dirt were copied
    assert sum(row[name] in ("", "NA") for row in table for name in measures) == counts["missing_numbers"]
    assert sum(row[name] in ("", "NA") for row in table for name in categories) == counts["missing_categories"]
    assert sum(not row["glaze"] for row in table) == counts["missing_labels"]
    large = {"temperature_c": 5000, "thickness_mm": 30, "gloss": 150, "weight_g": 2000}
    found = sum(row[name] not in ("", "NA") and float(row[name]) > large[name] for row in table for name in measures)
    assert found == counts["outliers"]
    distinct = {tuple(v for k, v in row.items() if k != "id") for row in table}
    assert len(table) - len(distinct) == counts["exact_duplicates"]
    assert len({row["id"] for row in table}) == len(table)
    empty = sum(not row["remark"] for row in table)
    assert empty == planted["table"]["empty_remarks"] > 0.3 * len(table)
    assert set(Counter(row["glaze"] for row in table)) == {"celadon", "tenmoku", "shino", ""}


def test_the_series_have_the_planted_dirt(planted):
    about = planted["series"]
    parts = {}
    for name, count in about["series"].items():
        head, parts[name] = series(name)
        assert "@classLabel true sine square saw" in head
        assert f"@seriesLength {about['length']}" in head
        assert len(parts[name]) == count
        values = [channel.split(",") for *channels, _ in parts[name] for channel in channels]
        assert len(values) == count * about["channels"]
        assert {len(channel) for channel in values} == {about["length"]}
        assert sum(value == "?" for channel in values for value in channel) == about["planted"]["missing_values"][name]
        assert set(Counter(label for *_, label in parts[name])) == {"sine", "square", "saw"}
    train = [tuple(row) for row in parts["TRAIN"]]
    assert len(train) - len(set(train)) == about["planted"]["repeats_in_train"]
    assert sum(tuple(row) in train for row in parts["TEST"]) == about["planted"]["test_in_train"]


def test_the_raters_are_as_good_as_told(planted):
    votes, truth = rows("votes.csv"), {row["item"]: row["label"] for row in rows("votes_truth.csv")}
    about = planted["votes"]
    assert (len(votes), len(truth)) == (about["votes"], about["items"])
    assert len({(row["item"], row["rater"]) for row in votes}) == len(votes)
    right = Counter(row["rater"] for row in votes if row["label"] == truth[row["item"]])
    assert {rater: round(n / len(truth), 3) for rater, n in right.items()} == about["accuracy_of_raters"]
    assert max(about["accuracy_of_raters"].values()) - min(about["accuracy_of_raters"].values()) > 0.3


def test_the_tasks_are_annotated_as_told(planted):
    tasks = json.loads((SAMPLE / "label_studio.json").read_text(encoding="utf-8"))

    def kind(task):
        chosen = [r["value"]["choices"] for a in task["annotations"] for r in a["result"]]
        if not chosen:
            return "skipped" if task["annotations"] else "not_annotated"
        if len(chosen) == 1:
            return "one_annotator" if len(chosen[0]) == 1 else "two_choices"
        return "two_agree" if chosen[0] == chosen[1] else "two_disagree"

    about = planted["label_studio"]
    assert Counter(map(kind, tasks)) == about["planted"]
    assert len(tasks) == about["tasks"] == 30
    assert sum(len(task["annotations"]) for task in tasks) == about["annotations"]
    assert all(a["was_cancelled"] != bool(a["result"]) for task in tasks for a in task["annotations"])
