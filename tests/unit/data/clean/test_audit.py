"""The loop of audit and corrections: what goes out, what comes back, and what is estimated from it."""

import csv
import io
import json
import random
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from unit.data.clean.clean_cases import labels, made, rejected, texts

from toolkit.data import label_studio, sources
from toolkit.data.clean import annotation, audit
from toolkit.errors import ToolkitError


def run(rows, corrections):
    rows.stage = "annotation"
    figures, fixed = audit.apply(rows, pa.table(corrections))
    json.dumps(figures, allow_nan=False)
    assert fixed.sum() == figures["applied"] + figures["removed"] + figures["unchanged"]
    return figures


PLAIN = {"text": texts(6), "label": ["x", "x", "x", "y", "y", "y"]}


def test_corrections(told):
    rows = made(train=PLAIN)
    back = {
        "id": ["train-0", "train-1", "train-2", "train-3", "train-4", "far"],
        "label": ["y", "x", "Drop", "", "new", "x"],
        "note": [None, None, "an advertisement", None, None, None],
    }
    figures = run(rows, back)
    assert labels(rows) == {"train-0": "y", "train-1": "x", "train-3": "y", "train-4": "new", "train-5": "y"}
    assert rejected(rows) == {"train-2": ("removed by correction", "an advertisement")}
    assert figures == {"applied": 2, "removed": 1, "unchanged": 1, "undecided": 1, "gone": 0, "unknown": 1}
    assert [(c["id"], c["before"], c["after"]) for c in rows.changes().to_pylist()] == [
        ("train-0", "x", "y"),
        ("train-4", "y", "new"),
    ]
    assert told == [
        "the corrections bring labels that no row had: new",
        "1 of 5 corrections are of no row of the source",
    ]


def test_a_class_called_drop_is_a_class():
    rows = made(train={"text": texts(2), "label": ["x", "drop"]})
    run(rows, {"id": ["train-0"], "label": ["drop"]})
    assert labels(rows) == {"train-0": "drop", "train-1": "drop"}


def test_a_person_may_correct_and_remove_rows_of_test():
    rows = made(train=PLAIN, test=PLAIN)
    run(rows, {"id": ["test-0", "test-1"], "label": ["y", "删除"]})
    assert labels(rows)["test-0"] == "y"
    assert rejected(rows) == {"test-1": ("removed by correction", "")}


@pytest.mark.parametrize(
    ("back", "message"),
    [
        ({"id": ["train-0", "train-0"], "label": ["x", "y"]}, "'train-0' two labels .'x' and 'y'"),
        ({"id": ["p", "q"], "label": ["x", "y"]}, "none of the 2 ids .* .the first is 'p'"),
        ({"id": ["train-0", "train-1"], "label": ["x", "y"], "text": ["other", "words"]}, "2 of 2 .* another text"),
    ],
)
def test_corrections_that_cannot_be(back, message):
    with pytest.raises(ToolkitError, match=message):
        run(made(train=PLAIN), back)


def test_corrections_that_decide_nothing_are_told(told):
    rows = made(train=PLAIN)
    assert run(rows, {"id": ["train-0"], "label": pa.array([None], pa.string())})["undecided"] == 1
    assert told == ["the corrections decide nothing: all of their 1 labels are empty"]


def test_equal_rows_and_numbers_are_one_correction():
    rows = made(train={"id": [1, 2, 3], "text": texts(3), "label": [0, 0, 1]})
    figures = run(rows, {"id": [1.0, 1.0, 2.0], "label": [1.0, 1.0, 0.0]})
    assert labels(rows) == {"1": "1", "2": "0", "3": "1"}
    assert figures["applied"] == 1


def many(count=200, shuffled=False):
    order = random.Random(1).sample(range(count), count) if shuffled else range(count)
    return made(train={"id": [f"n{i}" for i in order], "text": [f"文本 {i}, \"quoted\"" for i in order],
                       "label": ["好" if i % 3 else "差" for i in order]})  # fmt: skip


def written(files):
    return list(csv.DictReader(io.StringIO(files["audit.csv"].decode("utf-8-sig"), newline="")))


def test_the_sample_is_drawn_by_id():
    first, again = (annotation.audit_sample(rows, 0.1, 7) for rows in (many(), many(shuffled=True)))
    assert first == again
    assert len(written(first)) == 20
    assert (
        len(
            {row["id"] for row in written(first)}
            ^ {row["id"] for row in written(annotation.audit_sample(many(), 0.1, 8))}
        )
        > 10
    )
    assert len(written(annotation.audit_sample(many(), 0.001, 7))) == 1
    assert annotation.audit_sample(many(), 0.0, 7) == {}


def test_every_row_is_as_likely():
    names = [f"n{i}" for i in range(20)]
    drawn = [row for seed in range(300) for row in audit._drawn(np.arange(20), names, 0.25, seed)]
    assert all(45 <= drawn.count(i) <= 110 for i in range(20))  # 75 expected


def test_suspicious_rows_come_first_and_leave_the_random_part_random():
    chance = [row["id"] for row in written(annotation.audit_sample(many(), 0.1, 7))]
    rows = many()
    ids = rows.values("id")
    odd = [ids.index(chance[3]), 5 if ids[5] not in chance else 6]
    rows.reject(odd[1] + 20, "gone", "")
    suspicious = {odd[0]: ("好", "label noise 0.9"), odd[1]: ("差", "label noise 0.8"), odd[1] + 20: ("差", "dead")}
    found = written(annotation.audit_sample(rows, 0.1, 7, suspicious))
    assert [(row["id"], row["suggested"], row["why"]) for row in found[:2]] == [
        (chance[3], "好", "random; label noise 0.9"),
        (ids[odd[1]], "差", "label noise 0.8"),
    ]
    assert len({row["id"] for row in found}) == len(found)
    assert sum(row["why"].startswith("random") for row in found) == 20
    alone = written(annotation.audit_sample(rows, 0.0, 7, suspicious))
    assert [row["why"] for row in alone] == ["label noise 0.9", "label noise 0.8"]


def test_the_loop_closes_by_the_csv(tmp_path):
    """The csv goes out, a person mends two labels and removes a row, and the file comes back through our reader."""
    rows = many()
    out = written(annotation.audit_sample(rows, 0.1, 7, {3: ("差", "noise")}))
    out[0]["label"] = "差"  # the suspicious one: no part of the estimate unless it was drawn
    changed = [row for row in out[1:] if row["why"] == "random"][:2]
    changed[0]["label"] = "差" if changed[0]["label"] == "好" else "好"
    changed[1]["label"] = "drop"
    path = tmp_path / "back.csv"
    with path.open("w", encoding="gb18030", newline="") as file:  # what a Chinese Excel saves
        writer = csv.DictWriter(file, list(out[0]))
        writer.writeheader()
        writer.writerows(out)
    figures = run(rows, sources.read({"train": [path]})["train"])
    assert (figures["applied"], figures["removed"], figures["unknown"]) == (1 + (out[0]["was"] != "差"), 1, 0)
    assert (figures["audited"], figures["wrong"]) == (20, 2 + (out[0]["why"] != "noise" and out[0]["was"] != "差"))
    rate = figures["error_rate"]
    assert rate["low"] < rate["value"] == figures["wrong"] / 20 < rate["high"]
    assert "n3" in labels(rows)
    again = run(rows, sources.read({"train": [path]})["train"])
    assert (again["applied"], again["gone"]) == (0, 1)
    assert again["wrong"] == figures["wrong"] - 1  # told from `was`, not from what the label has become


def test_the_loop_closes_by_label_studio():
    rows = many()
    files = annotation.audit_sample(rows, 0.1, 7)
    tasks = json.loads(files["audit.label_studio.json"])
    config = ElementTree.fromstring(files["audit.label_studio.xml"])
    assert [c.get("value") for c in config.iter("Choice")] == ["好", "差", "drop"]
    for number, task in enumerate(tasks[:3]):
        result = task["predictions"][0]["result"]
        if number == 0:
            result = [{**result[0], "value": {"choices": ["drop"]}}]
        task |= {"id": number, "annotations": [{"completed_by": 1, "result": result}]}
    figures = run(rows, label_studio.to_table([{"id": 9, **task} for task in tasks], "x"))
    assert (figures["removed"], figures["unchanged"], figures["undecided"]) == (1, 2, 17)
    assert (figures["audited"], figures["wrong"]) == (3, 1)
    assert list(rejected(rows)) == [tasks[0]["data"]["row_id"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx"])
def test_a_spreadsheet_reckons_nothing(text):
    rows = made(train={"id": ["a"], "text": [text], "label": ["-1"]})
    files = annotation.audit_sample(rows, 1.0, 0)
    (row,) = written(files)
    assert row["text"] == f"'{text}"
    assert row["label"] == "-1"  # which must come back as it is
    back = {name: [value] for name, value in row.items()}
    assert run(rows, back)["unchanged"] == 1


def test_what_a_person_sees_of_other_kinds():
    image = pa.array([{"bytes": b"1", "path": "a/b.jpg"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    for table, column, shown in (
        ({"image": image}, "image", "a/b.jpg"),
        ({"width": [1.5], "hue": ["red"], "gap": pa.array([None], pa.string())}, "features", "width = 1.5; hue = red"),
        ({"series": [[[1.0, 2.0]]]}, "series", "series train-0"),
    ):  # fmt: skip
        rows = made(train={**table, "id": ["train-0"], "label": ["x"]})
        files = annotation.audit_sample(rows, 1.0, 0)
        assert written(files)[0][column] == shown
        assert json.loads(files["audit.label_studio.json"])[0]["data"][column] == shown
        assert ElementTree.fromstring(files["audit.label_studio.xml"])[0].get("value") == f"${column}"


def test_the_label_of_a_class_of_its_own_stands_in_the_config_once():
    rows = made(train={"text": texts(2), "label": ["drop", "x"]})
    config = annotation.audit_sample(rows, 1.0, 0)["audit.label_studio.xml"]
    assert config.count('"drop"') == 1
    assert audit.DROP[0] == "drop"


def test_rows_of_several_classes(told):
    rows = made(train={"text": texts(3), "label": [["a", "b"], ["b"], ["c"]]})
    files = annotation.audit_sample(rows, 1.0, 0)
    assert list(files) == ["audit.csv"]
    assert {row["id"]: row["label"] for row in written(files)} == {"train-0": "a|b", "train-1": "b", "train-2": "c"}
    figures = run(rows, {"id": ["train-0", "train-1"], "label": ["b | a", "c|a"]})
    assert labels(rows) == {"train-0": "a|b", "train-1": "a|c", "train-2": "c"}
    assert figures["applied"] == 1
    assert told == []
