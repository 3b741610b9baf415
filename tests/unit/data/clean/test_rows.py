"""The rows under cleaning: cells change in their block, and every change and reject is told."""

import numpy as np
import pyarrow as pa
import pytest
from datasets import DatasetDict

from toolkit.data import columns
from toolkit.data.clean import near
from toolkit.data.clean import rows as row_module


def made(complete=False, **splits):
    data = columns.to_dataset({name: pa.table(table) for name, table in splits.items()}, "x", complete=complete)
    assert isinstance(data, DatasetDict)
    return row_module.from_dataset(data)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(row_module, "BLOCK", 3)


def numbered(count, **more):
    return {"text": [f"text {i}" for i in range(count)], "label": ["x"] * count, **more}


@pytest.mark.usefixtures("small_blocks")
def test_blocks_give_the_living_rows_with_current_values():
    rows = made(train=numbered(7), test=numbered(2))
    rows.reject(1, "r", "d")
    rows.reject(3, "r", "d")
    rows.replace("text", [8, 2], ["last", "third"])
    found = [(numbers.tolist(), texts) for numbers, texts in rows.blocks("text")]
    assert found == [
        ([0, 2], ["text 0", "third"]), ([4, 5], ["text 4", "text 5"]), ([6, 7, 8], ["text 6", "text 0", "last"]),
    ]  # fmt: skip
    for i in (4, 5):
        rows.reject(i, "r", "d")
    assert [numbers.tolist() for numbers, _ in rows.blocks("text")] == [[0, 2], [6, 7, 8]]


@pytest.mark.usefixtures("small_blocks")
def test_replace_logs_what_differs_and_leaves_the_rest():
    rows = made(train=numbered(8, size=[1, 2, None, 4, 5, 6, 7, 8]))
    rows.stage = "s"
    rows.replace("text", np.array([5, 0, 4]), ["five", "text 0", "four"])
    rows.replace("size", [2], [3])
    rows.replace("label", [7], pa.array([None], pa.string()))
    assert rows.values("text") == ["text 0", "text 1", "text 2", "text 3", "four", "five", "text 6", "text 7"]
    assert rows.values("size") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rows.changed == 4
    told = [(c["id"], c["column"], c["before"], c["after"]) for c in rows.changes().to_pylist()]
    assert told == [
        ("train-4", "text", "text 4", "four"), ("train-5", "text", "text 5", "five"),
        ("train-2", "size", None, "3"), ("train-7", "label", "x", None),
    ]  # fmt: skip
    assert set(rows.changes().column("split").to_pylist()) == {"train"}


def test_set_column_may_change_the_type():
    rows = made(train=numbered(3, size=[1, 2, None]))
    rows.set_column("size", pa.array([1.0, 2.5, None]))
    assert rows.values("size") == [1.0, 2.5, None]
    assert [(c["before"], c["after"]) for c in rows.changes().to_pylist()] == [("2", "2.5")]


def test_a_dropped_column_leaves_its_cells_in_the_changes():
    rows = made(train=numbered(3, note=[None, "seen", None]))
    rows.drop_column("note")
    assert "note" not in rows.table.column_names
    assert [(c["id"], c["before"], c["after"]) for c in rows.changes().to_pylist()] == [("train-1", "seen", None)]


def test_flags_add_up_and_are_written_once():
    rows = made(train=numbered(3))
    for stage in ("one", "two", "one"):
        rows.stage = stage
        rows.flag(1, f"{stage}: look")
        rows.settle()
    assert rows.values("flags") == [None, "one: look; two: look", None]
    assert [(c["stage"], c["after"]) for c in rows.changes().to_pylist()] == [
        ("one", "one: look"),
        ("two", "one: look; two: look"),
    ]


def test_flags_stand_in_one_order():
    rows = made(train=numbered(1))
    for mark in ("b", "c", "a", "b"):
        rows.flag(0, mark)
    rows.settle()
    assert rows.values("flags") == ["a; b; c"]


@pytest.mark.parametrize(("own", "kept"), [([7, 8], "7"), ([True, False], "true"), ([{"a": 1}, None], '{"a": 1}')])
def test_a_column_of_the_source_that_is_called_flags_keeps_its_values(own, kept):
    rows = made(train=numbered(2, flags=own))
    rows.flag(0, "look")
    rows.settle()
    assert rows.values("flags")[0] == f"{kept}; look"
    assert [(c["before"], c["after"]) for c in rows.changes().to_pylist()] == [(kept, f"{kept}; look")]


def test_bytes_of_a_dropped_column_stand_in_the_changes():
    rows = made(train=numbered(2, raw=[None, b"\xff\x00"]))
    rows.drop_column("raw")
    assert [(c["id"], c["before"]) for c in rows.changes().to_pylist()] == [("train-1", "ff00")]


def test_whole_numbers_beyond_the_precision_of_floats():
    rows = made(train=numbered(2, order=pa.array([2**63 + 1, None], pa.uint64())))
    assert rows.floats("order")[0] == pytest.approx(2**63)
    assert np.isnan(rows.floats("order")[1])


@pytest.mark.parametrize("poor", [{"note": ["", "x"]}, {"note": [None, "x"]}, {"flags": ["lost characters", None]}])
def test_the_most_complete_row_stays(poor):
    """An empty text is a gap; a flag is no content."""
    rows = made(train={"text": ["same"] * 2, "label": ["x"] * 2, **poor})
    assert rows.best_first([0, 1]) == ([1, 0] if "note" in poor else [0, 1])
    rows = made(train={"text": ["same"] * 2, "label": ["x"] * 2, "id": ["b", "a"], **poor})
    assert rows.best_first([0, 1]) == [1, 0]


def test_a_protected_row_goes_only_when_it_is_unusable():
    rows = made(train=numbered(1), test=numbered(2))
    rows.stage = "s"
    rows.reject(1, "r", "d")
    rows.reject(2, "r", "d", unusable=True)
    assert rows.living().tolist() == [0, 1]
    assert rows.spared == {"s": 1}
    assert [(r["id"], r["split"], r["reason"]) for r in rows.rejected().to_pylist()] == [("test-1", "test", "r")]


def test_statistics_are_fitted_on_train_alone():
    rows = made(train=numbered(2), validation=numbered(2), test=numbered(1))
    assert rows.fit.tolist() == [True, True, False, False, False]
    assert made(test=numbered(2)).fit.tolist() == [True, True]


def test_rejected_rows_stand_as_they_came():
    rows = made(train=numbered(3, reason=["mine", "yours", "ours"]))
    rows.replace("text", [1], ["changed"])
    rows.stage = "s"
    rows.reject(1, "bad", "because")
    row = rows.rejected().to_pylist()[0]
    assert (row["text"], row["stage"], row["reason"], row["detail"]) == ("text 1", "s", "bad", "because")


def test_rows_of_several_classes_come_back_as_lists():
    rows = made(train={"text": ["a", "b"], "label": [["y", "x"], ["x"]]})
    assert rows.values("label") == ["x|y", "x"]
    assert rows.survivors()["train"].column("label").to_pylist() == [["x", "y"], ["x"]]


def test_near_duplicates_are_found_once_and_again_after_a_change(monkeypatch):
    calls = []
    index = near.texts.METHODS["minhash"]
    monkeypatch.setitem(near.texts.METHODS, "minhash", lambda *a: calls.append(1) or index(*a))
    text = "one message of about fifty characters is what it takes"
    rows = made(train={"text": [text, f"({text.upper()})", f"{text} and on", "another"], "label": ["x"] * 4})
    found = rows.near("minhash")
    assert found.number[0] == found.number[1] != found.number[2]
    assert found.pairs().tolist() == found.links().tolist() == [[found.number[0], found.number[2]]]
    assert rows.near("minhash") is found
    rows.replace("text", [2], ["changed"])
    assert len(rows.near("minhash").pairs()) == 0
    assert calls == [1, 1]
