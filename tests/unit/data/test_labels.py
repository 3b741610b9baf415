"""Class names, their order, and rows of several classes."""

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from toolkit.data import columns
from toolkit.data import labels as labels_module
from toolkit.errors import ToolkitError


def made(complete=True, **splits):
    return columns.to_dataset({split: pa.table(rows) for split, rows in splits.items()}, "x.csv", complete=complete)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 10], ["9", "10"]),
        ([2.0, 10.0, 1.0], ["1", "2", "10"]),
        ([0.5, 0.25, 3.0], ["0.25", "0.5", "3"]),
        ([True, False, True], ["False", "True"]),
        (["b", "a", " a "], ["a", "b"]),
        (["10", "9", "x"], ["9", "10", "x"]),
        (["inf", "1", "b"], ["1", "inf", "b"]),
        (["坏", "好", "坏"], ["坏", "好"]),
    ],
)
def test_labels_become_classes_in_a_sensible_order(labels, names):
    rows = made(train={"text": ["a", "b", "c"], "label": labels})["train"]
    feature = rows.features["label"]
    assert feature.names == names
    assert [feature.names[i] for i in rows["label"]] == [labels_module.label_text(v) for v in labels]


def test_labels_of_all_splits_share_one_feature():
    data = made(
        train={"text": ["a", "b"], "label": [2, 1]},
        validation={"text": ["c", "d"], "label": [1.0, 3.0]},
        test={"text": ["e", "f"], "label": ["1", "x"]},
    )
    assert {tuple(rows.features["label"].names) for rows in data.values()} == {("1", "2", "3", "x")}
    assert [list(rows["label"]) for rows in data.values()] == [[1, 0], [0, 2], [0, 3]]


def class_labelled(names, codes):
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    rows = Dataset.from_dict({"text": ["t"] * len(codes), "label": codes}, features=features)
    return rows.with_format("arrow")[:]


def test_class_labels_of_other_orders_are_matched_by_name():
    tables = {"train": class_labelled(["p", "q"], [0, 1]), "test": class_labelled(["q", "p"], [0, 1])}
    data = columns.to_dataset(tables, "x", complete=True)
    assert [[rows.features["label"].names[i] for i in rows["label"]] for rows in data.values()] == [
        ["p", "q"],
        ["q", "p"],
    ]


def test_minus_one_of_a_class_label_is_missing():
    with pytest.raises(ToolkitError, match="1 rows of train have no label"):
        columns.to_dataset({"train": class_labelled(["p", "q"], [0, -1])}, "x", complete=True)


def test_check_labels():
    part = {"text": ["a", "b"], "label": ["x", "y"]}
    labels_module.check_labels(made(train=part, test=part), "d")
    with pytest.raises(ToolkitError, match=r"one class only \(x\)"):
        labels_module.check_labels(made(train={"text": ["a", "b"], "label": ["x", "x"]}), "d")
    with pytest.raises(ToolkitError, match=r"test has labels that train never saw \(v, w\)"):
        labels_module.check_labels(made(train=part, test={"text": ["a", "b", "c"], "label": ["w", "x", "v"]}), "d")


def test_rows_of_several_classes():
    data = made(train={"text": ["a", "b"], "label": [["y", "x"], ["x"]]}, test={"text": ["c"], "label": [["z", "z"]]})
    feature = data["train"].features["label"]
    assert feature == List(ClassLabel(names=["x", "y", "z"])) == data["test"].features["label"]
    assert [list(rows["label"]) for rows in data.values()] == [[[0, 1], [0]], [[2]]]
    assert labels_module.is_multi(data["train"].features)
    assert labels_module.names_of(data["train"].features) == ["x", "y", "z"]
    assert labels_module.label_array(data["train"]).to_pylist() == ["x|y", "x"]
    assert made(**{s: rows.with_format("arrow")[:].to_pydict() | {} for s, rows in data.items()}) is not None


def test_written_classes_are_cut_at_the_separator():
    column = labels_module.split_classes(pa.chunked_array([["b; a", None, "c", " ;"]]), ";")
    assert column.to_pylist() == [["b", "a"], None, ["c"], []]
    with pytest.raises(ToolkitError, match=r"'a\|b' holds a '\|'"):
        made(train={"text": ["a"], "label": [["a|b"]]})


def test_gaps_among_the_classes_of_a_row_are_left_out():
    from datasets import Features, Value

    feature = List(ClassLabel(names=["q", "p"]))
    rows = Dataset.from_dict(
        {"text": ["a", "b"], "label": [[0, None], [-1, 1]]},
        features=Features({"text": Value("string"), "label": feature}),
    )
    made_of = columns.to_dataset({"train": rows.with_format("arrow")[:]}, "x", complete=True)["train"]
    assert made_of.features["label"] == feature
    assert list(made_of["label"]) == [[0], [1]]
    with pytest.raises(ToolkitError, match="1 rows of train have no label"):
        made(train={"text": ["a", "b"], "label": [["x"], [None]]})


def test_measurements_are_no_classes():
    values = [f"{i * 0.137:.3f}" for i in range(60)]
    data = made(train={"text": [f"t{i}" for i in range(60)], "label": values})
    with pytest.raises(ToolkitError, match=r"the labels are measurements \(.* values such as 0\.137\)"):
        labels_module.check_labels(data, "d")
    steps = made(train={"text": [f"t{i}" for i in range(60)], "label": [str(i % 9 / 2) for i in range(60)]})
    labels_module.check_labels(steps, "d")
