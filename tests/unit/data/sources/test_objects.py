import gzip
import json

import pytest

from toolkit.data.sources import encoding, objects
from toolkit.errors import ToolkitError

ROWS = [{"text": "hello there", "label": "a"}, {"text": "今天天气很好", "label": "b"}]


@pytest.fixture(params=[8192, 1, 2])
def block(request, monkeypatch):
    """Rows a block."""
    monkeypatch.setattr(objects, "ROWS", request.param)


@pytest.fixture(params=["a.json", "a.jsonl"])
def both(request, table):
    """Rows (or their JSON texts) -> the table, read from one document or from lines."""

    def read(given):
        texts = [row if isinstance(row, str) else json.dumps(row) for row in given]
        return table(request.param, f"[{','.join(texts)}]" if request.param == "a.json" else "\n".join(texts))

    return read


def test_lines(rows, block):
    odd = [{"text": "a\u2028b\x85c", "label": "x"}, {"text": "好", "label": None}]
    lines = [json.dumps(row, ensure_ascii=False) for row in odd]
    assert rows("a.jsonl", f"{lines[0]}\r\n\n \u3000\n {lines[1]}") == odd


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz"])
def test_gz(rows, name):
    content = json.dumps(ROWS) if "json." in name else "\n".join(map(json.dumps, ROWS))
    assert rows(name, gzip.compress(content.encode())) == ROWS


def test_a_list_or_a_data_key(rows):
    assert rows("a.json", json.dumps(ROWS)) == ROWS
    assert rows("b.json", json.dumps({"data": ROWS})) == ROWS


def test_columns_that_come_and_go(both, block):
    table = both([{"text": "a"}, {"label": 1}, {}, {"text": "b", "x": [1]}])
    assert table.column_names == ["text", "label", "x"]
    assert table.to_pylist() == [
        {"text": "a", "label": None, "x": None},
        {"text": None, "label": 1, "x": None},
        {"text": None, "label": None, "x": None},
        {"text": "b", "label": None, "x": [1]},
    ]


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([1, None, 2], "int64", None),
        ([1, 2.5], "double", [1.0, 2.5]),
        ([True, False], "bool", None),
        ([None, None], "null", None),
        ([[], [1], None, [2.5]], "list<item: double>", None),
        ([{"x": 1}, {}, {"y": ["a"]}], "struct<x: int64, y: list<item: string>>", ...),
        ([{}, None], "null", [None, None]),
        ([{"bytes": "x", "path": "y"}], "struct<bytes: string, path: string>", None),
    ],
)
def test_types(both, block, warnings, values, kind, read):
    column = both([{"x": value} for value in values]).column("x")
    assert str(column.type) == kind
    assert read is ... or column.to_pylist() == (read or values)
    assert not warnings


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        (["1", '"a"', "null", "true", "1.0", '"好"'], ["1", "a", None, "true", "1.0", "好"]),
        (["1", "2", "false"], ["1", "2", "false"]),
        (["0.5", "true"], ["0.5", "true"]),
        (['"a"', "1e-7"], ["a", "1e-07"]),
    ],
)
def test_mixed_scalars_become_text_which_is_told(both, block, warnings, texts, read):
    table = both([f'{{"label": {text}, "n": 1}}' for text in texts])
    assert table.column("label").to_pylist() == read
    assert len(warnings) == 1
    assert "mixed in 'label': read as text" in warnings[0]


@pytest.mark.parametrize(
    ("values", "row"),
    [(["a", "b", [1]], 3), ([1, {"x": 1}], 2), ([{"x": 1}, [1]], 2), ([[1], ["a"]], 2), ([{"x": 1}, {"x": "a"}], 2)],
)
def test_lists_and_objects_do_not_mix(both, block, values, row):
    with pytest.raises(ToolkitError, match=rf"column 'x' mixes types: what is in (line|row) {row} does not go"):
        both([{"x": value} for value in values])


@pytest.mark.parametrize("text", ['{"text": 111111111111111111111}', '{"text": "\\ud800"}'])
def test_what_no_column_can_hold(both, text):
    with pytest.raises(ToolkitError, match=r"(line|row) 2: column 'text' holds what no column can"):
        both(['{"text": null}', text])


def test_an_empty_object_inside_is_refused(both):
    with pytest.raises(ToolkitError, match=r"column 'x' is of a type that is not read \(struct<a: struct<>>\)"):
        both([{"x": {"a": {}}}])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n\n{"text": \n', "line 3 is no JSON"),
        ("a.jsonl", '{"text": "a"} {"text": "b"}\n', "line 1 is no JSON"),
        ("a.jsonl", '{"text": "a"}\n[1]', r"no list of objects \(line 2\)"),
        ("a.jsonl", f'{{"text": {"[" * 200_000}', "nests too deep"),
        ("a.json", "{", "is no JSON"),
        ("a.json", '{"text": "a"}', "no list of objects"),
        ("a.json", '[{"text": "a"}, 1]', r"no list of objects \(row 2\)"),
        ("a.json", "[]", "no rows"),
        ("a.json", "[{}]", "no rows"),
        ("a.jsonl", json.dumps(dict.fromkeys(map(str, range(50_000)), 1)), "has 50000 columns, more than 10000"),
    ],
)
def test_what_is_no_table_is_refused(rows, name, content, message):
    with pytest.raises(ToolkitError, match=message):
        rows(name, content)


def test_columns_without_end_are_refused(rows, block):
    content = "\n".join(json.dumps({f"{i}-{j}": 1 for j in range(500)}) for i in range(40))
    with pytest.raises(ToolkitError, match="columns, more than 10000"):
        rows("a.jsonl", content)


def test_a_document_that_is_too_large_is_refused(rows, monkeypatch):
    monkeypatch.setattr(objects, "MAX_DOCUMENT", 1 << 20)
    monkeypatch.setattr(encoding, "BLOCK", 1 << 16)
    with pytest.raises(ToolkitError, match=r"more than 1 MB: write it as \.jsonl"):
        rows("a.json", json.dumps([{"text": "x" * (2 << 20)}]))


def test_a_document_may_be_one_long_line(rows, monkeypatch):
    monkeypatch.setattr(encoding, "MAX_LINE", 1000)
    assert rows("a.json", json.dumps([ROWS[0]] * 100)) == [ROWS[0]] * 100


@pytest.mark.parametrize("key", ["annotations", "completions"])
def test_label_studio_exports_go_to_their_reader(table, key):
    choice = {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
    tasks = [{"id": 7, "data": {"text": "hello"}, key: [{"completed_by": 1, "result": [choice]}]}]
    assert table("a.json", json.dumps(tasks)).select(["id", "text", "label"]).to_pylist() == [
        {"id": "7", "text": "hello", "label": "a"}
    ]


def test_rows_with_data_are_no_label_studio_export(rows):
    plain = [{"data": {"text": "x"}, "label": "a"}]
    assert rows("a.json", json.dumps(plain)) == plain
