import math

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value

from toolkit import console
from toolkit.data import columns, numbers, roles
from toolkit.data.options import ColumnOptions, DataOptions
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
            "test has other columns than the first split .class, label.*",
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
        ([b"\xff", b"\xfe"], ["train-0", "train-1"]),
    ],
)
def test_ids_are_kept_where_they_tell_rows_apart(given, kept, monkeypatch):
    notes = []
    monkeypatch.setattr(console, "note", notes.append)
    rows = made(train={"id": given, "text": ["a", "b"], "label": ["p", "q"]})["train"]
    assert list(rows["id"]) == kept
    if kept[0] == "train-0":
        assert list(rows["id_original"]) == given
    assert ["do not tell its rows apart" in note for note in notes] == [True] * (kept[0] == "train-0")


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
    ("rows", "message"),
    [
        ({"text": ["a", "b"], "label": [1.0, math.nan]}, "1 rows of train have no label .first: id train-1"),
        ({"text": ["a", "b"], "label": ["x", None]}, "no label"),
        ({"text": ["a", "b"], "label": ["x", "  "]}, "no label"),
        ({"text": [None, "b"], "label": ["x", "y"]}, "1 rows of train have no text .first: id train-0"),
        ({"text": ["a", " \t"], "label": ["x", "y"]}, "no text"),
        ({"text": [["a"], ["b"]], "label": ["x", "y"]}, "'text' is nested"),
        ({"text": ["a", "b"], "label": [{"x": 1}, {"x": 2}]}, "'label' is nested"),
        ({"text": ["a", "b"], "label": [["x"], []]}, "1 rows of train have no label .first: id train-1"),
        ({"series": [[[0.5]], []], "label": ["x", "y"]}, "1 rows of train have no series"),
        ({"image": [{"bytes": b"x", "path": "a"}, {"bytes": None, "path": "b"}], "label": ["x", "y"]}, "no image"),
        ({"text": [b"\xff", b"b"], "label": ["x", "y"]}, "'text' .binary. cannot be read"),
        ({"series": [[[[1.0]]], [[[2.0]]]], "label": ["x", "y"]}, "'series' is nested"),
    ],
)
def test_rows_that_are_not_complete(rows, message):
    with pytest.raises(ToolkitError, match=message):
        made(train=rows)


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


SENTENCES = [f"this is sentence number {i} of many" for i in range(30)]
PLAIN = [["cat", "dog"][i % 2] for i in range(30)]


@pytest.mark.parametrize(
    ("table", "kind", "told"),
    [
        ({"note": SENTENCES, "label": PLAIN}, "text", "text is column 'note'"),
        ({"笔记": [f"今天天气很好我们去公园{i}" for i in range(30)], "label": PLAIN}, "text", "text is column '笔记'"),
        ({"short": PLAIN, "note": SENTENCES, "label": PLAIN}, "text", "text is column 'note'"),
        ({"kind": PLAIN, "size": list(range(30)), "label": PLAIN}, "table", ""),
        ({"comment": [*SENTENCES[:9], *[None] * 21], "size": list(range(30)), "label": PLAIN}, "table", ""),
        ({"code": [f"A-{i}" for i in range(30)], "label": PLAIN}, "table", ""),
        ({"file": [f"{i}.JPG" for i in range(30)], "label": PLAIN}, "image", "image is column 'file'"),
        (
            {"image": [f"{i}.png" for i in range(30)], "text": SENTENCES, "label": PLAIN},
            "image",
            "text_original is column 'text'",
        ),
        ({"image": ["a boat", "a tree"] * 15, "text": SENTENCES, "label": PLAIN}, "text", ""),
        ({"values": [[0.5, 1.0]] * 30, "label": PLAIN}, "series", "series is column 'values'"),
        ({"series": [[[1.0], [2.0]]] * 30, "label": PLAIN}, "series", ""),
    ],
)
def test_content_is_told_by_name_and_type(table, kind, told):
    tables, choice = columns.choose({"train": pa.table(table)}, DataOptions(), "x")
    assert roles.kind_of(tables["train"].column_names) == kind
    assert choice == told


def test_options_name_content_and_keys():
    table = {"text": SENTENCES, "pic": [f"{i}.png" for i in range(30)], "who": PLAIN, "when": PLAIN, "label": PLAIN}
    tables, _ = columns.choose({"train": pa.table(table)}, DataOptions(image="pic", group="who", time="when"), "x")
    assert tables["train"].column_names == ["text_original", "image", "group", "time", "label"]
    with pytest.raises(ToolkitError, match=r"no column 'wo'.*did you mean who"):
        columns.choose({"train": pa.table(table)}, DataOptions(group="wo"), "x")


def test_row_numbers_without_a_name_are_no_feature():
    assert roles.features_of(["", "Unnamed: 0", "unnamed:12", "unnamed", "a", "label"]) == ["unnamed", "a"]


@pytest.mark.parametrize(
    ("column", "empty"),
    [
        (pa.array([{"a": 1}, None]), [False, True]),
        (pa.array([{"bytes": b"x", "path": "p"}, {"bytes": b"", "path": "p"}, {"bytes": None, "path": "p"}, None]),
         [False, True, True, True]),
    ],
)  # fmt: skip
def test_blank_cells(column, empty):
    assert columns.blank(pa.chunked_array([column])).to_pylist() == empty


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        ([[1, 2], None, [3, 4]], [[[1, 2]], [None], [[3, 4]]]),
        (pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), [[[1, 2]], [None]]),
        (pa.array([[[1.0], [2.0]], None], pa.large_list(pa.large_list(pa.float64()))), [[[1], [2]], None]),
        (pa.array([[[1.0, 2.0], None], None], pa.list_(pa.list_(pa.float64(), 2))), [[[1, 2], None], None]),
    ],
)
def test_series_in_lists_of_any_kind(column, kept):
    table = pa.table({"series": column, "label": ["x"] * len(column)})
    tables, _ = columns.choose({"train": table}, DataOptions(), "x")
    rows = columns.to_dataset(tables, "x", complete=False)["train"]
    assert rows.with_format("arrow")[:].column("series").to_pylist() == kept
    values, _, row = numbers.flatten(rows.with_format("arrow")[:].column("series"))
    assert len(values) == len(row)


def test_images_have_their_feature_and_paths_as_ids():
    cells = [{"bytes": b"1", "path": "cat/a.png"}, {"bytes": b"2", "path": "cat/b.png"}]
    rows = made(train={"image": cells, "label": ["x", "y"]})["train"]
    assert rows.features["image"] == Image()
    assert rows["id"][:] == ["cat/a.png", "cat/b.png"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["sentence1", "sentence2"], "text is column 'sentence1', text_pair is column 'sentence2'"),
        (["Premise", "Hypothesis"], "text is column 'Premise', text_pair is column 'Hypothesis'"),
        (["question1", "question2"], "text is column 'question1', text_pair is column 'question2'"),
        (["文本1", "文本2"], "text is column '文本1', text_pair is column '文本2'"),
        (["text", "text_pair"], ""),
    ],
)
def test_pairs_are_found_by_the_names_of_both(names, told):
    tables, choice = choose({"label": ["x"], names[1]: ["b"], names[0]: ["a"]})
    assert tables["train"].to_pylist() == [{"label": "x", "text_pair": "b", "text": "a"}]
    assert choice == told


def test_a_second_text_of_another_name_is_none_and_one_that_is_named_is():
    table = {"text": ["a"], "reply": ["b"], "label": ["x"]}
    assert "text_pair" not in choose(table)[0]["train"].column_names
    tables, _ = columns.choose({"train": pa.table(table)}, ColumnOptions(text_pair="reply"), "x.csv")
    assert tables["train"].to_pylist() == [{"text": "a", "text_pair": "b", "label": "x"}]
    with pytest.raises(ToolkitError, match="cannot be both"):
        columns.choose({"train": pa.table(table)}, ColumnOptions(text="reply", text_pair="reply"), "x.csv")


def test_a_text_that_is_asked_for_stands_alone():
    tables, _ = choose({"text": ["a"], "text_pair": ["b"], "label": ["x"]}, text="text")
    assert tables["train"].to_pylist() == [{"text": "a", "text_pair_original": "b", "label": "x"}]


def test_a_pair_needs_both_texts_and_both_become_texts():
    rows = {"text": ["a", "b"], "text_pair": [1, 2], "label": ["x", "y"]}
    assert made(train=rows)["train"]["text_pair"][:] == ["1", "2"]
    with pytest.raises(ToolkitError, match=r"1 rows of train have no text_pair \(first: id train-1\)"):
        made(train=rows | {"text_pair": ["c", " "]})


def test_what_is_called_a_second_text_is_a_feature_like_others_without_a_first_one():
    table = {"size": [1, 2], "text_pair": [3, 4], "label": ["x", "y"]}
    tables, _ = columns.choose({"train": pa.table(table)}, DataOptions(), "x.csv")
    assert roles.features_of(tables["train"].column_names) == ["size", "text_pair"]


def test_classes_that_are_lists_already_are_not_cut_again():
    lists = {"text": ["a"], "label": [["x;y", "z"]]}
    tables, _ = columns.choose({"train": pa.table(lists)}, DataOptions(label_separator=";"), "x.csv")
    assert tables["train"].to_pylist() == [{"text": "a", "label": ["x;y", "z"]}]
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    one = Dataset.from_dict({"text": ["a"], "label": [1]}, features=features).with_format("arrow")[:]
    tables, _ = columns.choose({"train": one}, DataOptions(label_separator=";"), "x.csv")
    assert tables["train"].column("label").to_pylist() == [1]
