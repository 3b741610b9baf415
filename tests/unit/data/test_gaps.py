"""Gaps that are written as texts, and the numbers beside them."""

import pyarrow as pa

from toolkit.data import columns, gaps


def test_written_gaps_of_tables():
    tables = {
        "train": pa.table({"size": ["1", "NA", "3"], "colour": ["red", "?", "NA"], "label": ["NA", "a", "b"]}),
        "test": pa.table({"size": ["4", "5.5", ""], "colour": ["red", "blue", "x"], "label": ["a", "a", "b"]}),
    }
    filled, counts = gaps.read(tables)
    assert counts == {"size": 1, "colour": 2}
    assert filled["train"].to_pydict() == {
        "size": [1, None, 3], "colour": ["red", None, None], "label": ["NA", "a", "b"],
    }  # fmt: skip
    assert filled["test"].column("size").to_pylist() == [4.0, 5.5, None]
    tables["test"] = tables["test"].set_column(0, "size", pa.array(["4", "many", "6"]))
    filled, _ = gaps.read(tables)
    assert [filled[s].column("size").to_pylist() for s in filled] == [["1", None, "3"], ["4", "many", "6"]]


def test_white_space_around_gaps_and_numbers_is_none():
    table = pa.table({"size": [" 1", "2 ", " NA ", "  "], "colour": [" red", "? ", "\u3000", "x"]})
    filled, counts = gaps.read({"train": table})
    assert filled["train"].to_pydict() == {"size": [1, 2, None, None], "colour": [" red", None, None, "x"]}
    assert counts == {"size": 1, "colour": 1}


def test_numbers_of_one_split_are_numbers_beside_an_empty_or_gappy_one():
    train = pa.table({"a": [1.5, 2.0], "b": [1, 2], "label": ["x", "y"]})
    test = pa.table({"a": pa.array([None, None], pa.string()), "b": ["NA", "2.5"], "label": ["x", "y"]})
    filled, _ = gaps.read({"train": train, "test": test})
    data = columns.to_dataset(filled, "x", complete=False)
    assert [data[s].features[c].dtype for s in data for c in "ab"] == ["float64"] * 4
    assert [data["test"]["a"][:], data["test"]["b"][:]] == [[None, None], [None, 2.5]]
