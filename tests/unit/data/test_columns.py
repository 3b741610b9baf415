import math

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from toolkit.data import columns
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError


def choose(table, text=None, label=None, **options):
    tables = table if isinstance(table, dict) and "train" in table else {"train": pa.table(table)}
    return columns.choose(tables, ColumnOptions(text=text, label=label), "x.csv", **options)


def made(complete=True, **splits):
    return columns.to_dataset({split: pa.table(rows) for split, rows in splits.items()}, "x.csv", complete=complete)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["text", "label"], ""),
        (["Review", "sentiment"], "text is column 'Review', label is column 'sentiment'"),
        (["内容", "类别"], "text is column '内容', label is column '类别'"),
        ([" text", "label "], "text is column ' text', label is column 'label '"),
        (["title", "category"], "text is column 'title', label is column 'category'"),
    ],
)
def test_columns_are_found_by_name(names, told):
    tables, choice = choose({names[0]: ["a"], "other": [1], names[1]: ["b"]})
    assert tables["train"].column_names == ["text", "other", "label"]
    assert choice == told


def test_the_usual_name_wins_over_rarer_ones():
    tables, _ = choose({"title": ["no"], "sentence": ["yes"], "topic": ["no"], "class": ["yes"]})
    assert tables["train"].select(["text", "label"]).to_pylist() == [{"text": "yes", "label": "yes"}]


def test_options_overrule_and_keep_what_they_displace():
    table = {"text": ["a"], "text_original": ["o"], "body": ["b"], "label": ["c"]}
    tables, choice = choose(table, text="body")
    assert tables["train"].to_pylist() == [{"text_original_": "a", "text_original": "o", "text": "b", "label": "c"}]
    assert "text is column 'body'" in choice


def test_columns_can_change_places():
    tables, _ = choose({"text": ["a"], "label": ["b"]}, text="label", label="text")
    assert tables["train"].to_pylist() == [{"label": "a", "text": "b"}]


def test_renaming_keeps_class_names():
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = Dataset.from_dict({"sentence": ["a", "b"], "label": [1, 0]}, features=features)
    tables, _ = choose({"train": rows.with_format("arrow")[:]})
    data = columns.to_dataset(tables, "x", complete=True)
    assert data["train"].features["label"].names == ["no", "yes"]
    assert list(data["train"]["label"]) == [1, 0]


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"a": ["x"], "b": ["y"]}, {}, "no text column.*--text; columns are a, b"),
        ({"text": ["x"], "b": ["y"]}, {}, "no label column.*--label; columns are text, b"),
        ({"text": ["x"], "label": ["y"]}, {"text": "txt"}, "no column 'txt'.*did you mean text"),
        ({"text": ["x"], "label": ["y"]}, {"text": "label"}, "'label' cannot be both"),
        (
            {"train": pa.table({"text": ["x"], "label": ["y"]}), "test": pa.table({"text": ["x"], "class": ["y"]})},
            {},
            "test has other columns",
        ),
        ({"train": pa.table([["x"], ["y"], ["z"]], names=["text", "text", "label"])}, {}, "several columns named text"),
    ],
)
def test_choices_that_cannot_be_made(table, options, message):
    with pytest.raises(ToolkitError, match=message):
        choose(table, **options)


def test_without_labels_only_the_text_is_looked_for():
    tables, _ = choose({"review": ["x"], "b": ["y"]}, need_label=False)
    assert tables["train"].column_names == ["text", "b"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([7, 8], ["7", "8"]),
        (["x", "y"], ["x", "y"]),
        (["x", "x"], ["train-0", "train-1"]),
        ([None, "x"], ["train-0", "train-1"]),
        ([{"a": 1}, {"a": 2}], ["train-0", "train-1"]),
    ],
)
def test_ids_are_kept_where_they_tell_rows_apart(given, kept):
    rows = made(train={"id": given, "text": ["a", "b"], "label": ["p", "q"]})["train"]
    assert list(rows["id"]) == kept
    if kept[0] == "train-0":
        assert list(rows["id_original"]) == given


def test_ids_are_unique_over_all_splits():
    part = {"id": [1, 2], "text": ["a", "b"], "label": ["p", "q"]}
    data = made(train=part, validation={**part, "id": ["3", "train-1"]}, test=part)
    assert list(data["train"]["id"]) == ["1", "2"]
    assert list(data["validation"]["id"]) == ["3", "train-1"]
    assert list(data["test"]["id"]) == ["test-1", "test-2"]


def test_made_ids_evade_given_ones():
    part = {"text": ["a", "b"], "label": ["p", "q"]}
    data = made(train={**part, "id": ["test-0", "x"]}, test={**part, "id": ["y", "y"]})
    ids = [*data["train"]["id"], *data["test"]["id"]]
    assert len(set(ids)) == 4


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
    assert [feature.names[i] for i in rows["label"]] == [columns.label_text(v) for v in labels]


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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"text": ["a", "b"], "label": [1.0, math.nan]}, "1 rows of train have no label .first: id train-1"),
        ({"text": ["a", "b"], "label": ["x", None]}, "no label"),
        ({"text": ["a", "b"], "label": ["x", "  "]}, "no label"),
        ({"text": [None, "b"], "label": ["x", "y"]}, "1 rows of train have no text .first: id train-0"),
        ({"text": ["a", " \t"], "label": ["x", "y"]}, "no text"),
        ({"text": [["a"], ["b"]], "label": ["x", "y"]}, "'text' is nested"),
        ({"text": ["a", "b"], "label": [["x"], ["y"]]}, "'label' is nested"),
        ({"text": [b"\xff", b"b"], "label": ["x", "y"]}, "'text' .binary. cannot be read"),
    ],
)
def test_rows_that_are_not_complete(rows, message):
    with pytest.raises(ToolkitError, match=message):
        made(train=rows)


def test_minus_one_of_a_class_label_is_missing():
    with pytest.raises(ToolkitError, match="1 rows of train have no label"):
        columns.to_dataset({"train": class_labelled(["p", "q"], [0, -1])}, "x", complete=True)


def test_numbers_as_text():
    assert list(made(train={"text": [1, 2], "label": ["x", "y"]})["train"]["text"]) == ["1", "2"]


def test_a_column_has_one_type_in_all_splits():
    part = {"text": ["a"], "label": ["x"]}
    data = made(
        train={**part, "n": [1], "m": [1], "e": pa.array([None], pa.null())},
        test={**part, "n": [0.5], "m": ["one"], "e": ["there"]},
    )
    assert data["train"].features == data["test"].features
    assert [data[s][0][c] for s in data for c in ("n", "m", "e")] == [1.0, "1", None, 0.5, "one", "there"]


def test_with_column_keeps_the_place_and_the_other_features():
    rows = made(train={"text": ["a", "b"], "label": ["x", "y"], "z": [1, 2]})["train"]
    changed = columns.with_column(rows, "text", ["c", None])
    assert changed.column_names == rows.column_names
    assert changed.features == rows.features
    assert list(changed["text"]) == ["c", None]
    assert columns.with_column(rows, "new", ["p", "q"]).column_names[-1] == "new"


def test_check_labels():
    part = {"text": ["a", "b"], "label": ["x", "y"]}
    columns.check_labels(made(train=part, test=part), "d")
    with pytest.raises(ToolkitError, match=r"one class only \(x\)"):
        columns.check_labels(made(train={"text": ["a", "b"], "label": ["x", "x"]}), "d")
    with pytest.raises(ToolkitError, match=r"test has labels that train never saw \(v, w\)"):
        columns.check_labels(made(train=part, test={"text": ["a", "b", "c"], "label": ["w", "x", "v"]}), "d")
