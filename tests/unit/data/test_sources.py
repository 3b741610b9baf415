import codecs
import gzip
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from toolkit.data import sources
from toolkit.errors import ToolkitError

ENGLISH = [{"text": "hello there", "label": "a"}, {"text": "good bye", "label": "b"}]
CHINESE = [{"text": "今天天气很好，我们去公园", "label": "好"}, {"text": "这个东西太贵了。", "label": "坏"}]
FRENCH = [{"text": "Le café était fermé – très déçu", "label": "é"}, {"text": "plain “words”", "label": "b"}]


def read(path, content=None):
    """The one table behind a path, by the two calls that commands make."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    files, passed_over = sources.locate(path)
    assert not passed_over
    return sources.read(files)["train"].to_pylist()


def csv(rows, delimiter=",", end="\n"):
    return end.join(delimiter.join(line) for line in [list(rows[0]), *(list(row.values()) for row in rows)]) + end


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.CSV", "\t"), ("a.tsv", "\t")])
def test_delimiters_and_line_ends(tmp_path, name, delimiter, end):
    assert read(tmp_path / name, csv(ENGLISH, delimiter, end)) == ENGLISH


def test_csv_quotes_newlines_and_words_for_nothing(tmp_path):
    content = 'text;label\n"a; ""b""\r\nc";NA\n "null" ;\n;""\n"mid"dle;x\n'
    assert read(tmp_path / "a.csv", content) == [
        {"text": 'a; "b"\r\nc', "label": "NA"},
        {"text": ' "null" ', "label": None},
        {"text": None, "label": None},
        {"text": "middle", "label": "x"},
    ]


def test_delimiters_inside_the_quoted_header_do_not_count(tmp_path):
    assert read(tmp_path / "a.csv", '"a,b,c";label\nx;y\n') == [{"a,b,c": "x", "label": "y"}]


def test_csv_numbers_stay_as_they_are_written(tmp_path):
    content = "text,whole,code,real,mixed,when,flag\na,1,007,0.5,1,2020-01-02,true\nb,-2,010,,x,2020-01-03,false\n"
    assert read(tmp_path / "a.csv", content) == [
        {"text": "a", "whole": 1, "code": "007", "real": 0.5, "mixed": "1", "when": "2020-01-02", "flag": "true"},
        {"text": "b", "whole": -2, "code": "010", "real": None, "mixed": "x", "when": "2020-01-03", "flag": "false"},
    ]


def test_a_csv_column_is_typed_by_all_its_rows(tmp_path):
    """Not by the first block: a note may stand in the last row alone."""
    content = "text,n,note\n" + "word " * 10 + "1,1,\n" + f"{'x' * 80},1,\n" * 220_000 + "last,none,a note\n"
    rows = read(tmp_path / "a.csv", content)
    assert rows[-1] == {"text": "last", "n": "none", "note": "a note"}


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.jsonl.gz", "a.json.gz"])
def test_gz(tmp_path, name):
    kind = name.split(".")[1]
    content = {"csv": csv(CHINESE), "tsv": csv(CHINESE, "\t"), "json": json.dumps(CHINESE)}.get(
        kind, "\n".join(map(json.dumps, CHINESE))
    )
    assert read(tmp_path / name, gzip.compress(content.encode())) == CHINESE


def test_jsonl(tmp_path):
    odd = [{"text": "a\u2028b\x85c", "label": "x"}, {"text": "好", "label": None}]
    lines = [json.dumps(row, ensure_ascii=False) for row in odd]
    assert read(tmp_path / "a.jsonl", f"{lines[0]}\r\n\n{lines[1]}") == odd


def test_json_list_or_data_key_and_missing_keys(tmp_path):
    assert read(tmp_path / "a.json", json.dumps(ENGLISH)) == ENGLISH
    assert read(tmp_path / "b.json", json.dumps({"data": ENGLISH})) == ENGLISH
    assert read(tmp_path / "c.json", '[{"text": "a"}, {"label": 1}]') == [
        {"text": "a", "label": None},
        {"text": None, "label": 1},
    ]


def test_parquet(tmp_path):
    parquet.write_table(pa.Table.from_pylist(CHINESE), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == CHINESE


@pytest.mark.parametrize(
    ("rows", "encoding", "told"),
    [
        (CHINESE, "utf-8-sig", None),
        (CHINESE, "utf-16", None),
        (FRENCH, "utf-16", None),
        (CHINESE, "gb18030", "gb18030"),
        ([{"text": "這個產品真的很不錯，我們會再來買", "label": "好"}], "gb18030", "gb18030"),
        (FRENCH, "cp1252", "cp1252"),
    ],
)
def test_encodings_are_read_and_told(tmp_path, monkeypatch, rows, encoding, told):
    warnings = []
    monkeypatch.setattr(sources.console, "warn", warnings.append)
    assert read(tmp_path / "a.csv", csv(rows).encode(encoding)) == rows
    assert warnings == ([f"a.csv is not UTF-8: read as {told}"] if told else [])


def test_big_endian_utf_16(tmp_path):
    assert read(tmp_path / "a.csv", codecs.BOM_UTF16_BE + csv(CHINESE).encode("utf-16-be")) == CHINESE


def mixture(first, second):
    return csv(CHINESE * 3).encode(first) + "又一个很好的东西，我喜欢,好\n".encode(second) * 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \n\n", "is empty"),
        ("a.csv", codecs.BOM_UTF8 + b"\n", "does not parse|is empty"),
        ("a.csv.gz", gzip.compress(b""), "is empty"),
        ("a.csv", b"text,label\n", "header but no rows"),
        ("a.json", b"[]", "no rows"),
        ("a.csv", b"text,label\na,b\n\nc,d,e\n", "row 3 has 3 columns, the header 2"),
        ("a.csv", b'text,label\n"a\nb",c\nd\n', "row 3 has 1 columns, the header 2"),
        ("a.csv", b'"' + b"x" * 200_000, "does not parse"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("a.csv", gzip.compress(b"text,label\na,b\n" * 9), "binary|no other encoding"),
        ("a.csv", bytes(range(255, 0, -1)) * 9, "no other encoding fits"),
        ("a.csv", csv(CHINESE * 9).encode("big5", "ignore"), "no other encoding fits"),
        ("a.csv", csv(CHINESE).encode("utf-32"), "no other encoding fits"),
        ("a.csv", codecs.BOM_UTF16_LE + b"a", "no other encoding fits"),
        ("a.csv", mixture("utf-8", "gb18030"), "mixes encodings: line|no other encoding"),
        ("a.csv", mixture("gb18030", "utf-8"), "mixes encodings: line|no other encoding"),
        ("a.csv", csv(CHINESE * 99).encode("gb18030") + "一个很好的东西,好\n".encode(), "line 200 is UTF-8"),
        ("a.csv", csv(FRENCH).encode("cp1252") + "très déçu,b\n".encode(), "line 4 is UTF-8"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n")[:-9], "no whole gzip"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00abcdefghijkl", "no whole gzip"),
        ("a.csv.gz", b"text,label\n", "no whole gzip"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2 is no JSON"),
        ("a.json", b"{", "is no JSON"),
        ("a.json", b'{"text": "a"}', "no list of objects"),
        ("a.json", b"[1]", "no list of objects"),
        ("a.json", b'[{"text": "a"}, {"text": 1}]', "mixes types"),
        ("a.json", b'[{"text": 111111111111111111111}]', "no column can"),
        ("a.json", b'[{"text": "\\ud800"}]', "no column can"),
        ("a.parquet", b"PAR1", "no whole parquet"),
        ("a.xlsx", b"x", "not read"),
        ("a.gz", b"x", "not read"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, name, content, message):
    with pytest.raises(ToolkitError, match=message):
        read(tmp_path / name, content)


def test_folder_of_splits(tmp_path):
    for name in ("train.csv", "dev.tsv", "TEST.jsonl.gz", "notes.txt", "labels.csv", ".hidden.csv"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "test").mkdir()
    files, passed_over = sources.locate(tmp_path)
    assert {split: [f.name for f in found] for split, found in files.items()} == {
        "train": ["train.csv"],
        "validation": ["dev.tsv"],
        "test": ["TEST.jsonl.gz"],
    }
    assert list(files) == ["train", "validation", "test"]
    assert passed_over == ["labels.csv", "notes.txt", "test"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train.csv", "train.jsonl"], "2 files for train.*keep one of train.csv, train.jsonl"),
        (["val.csv", "dev.csv"], "2 files for validation"),
        (["notes.txt"], "no data that is read"),
        ([], "no data that is read"),
    ],
)
def test_folders_that_are_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ToolkitError, match=message):
        sources.locate(tmp_path)


def test_an_empty_split_is_refused(tmp_path):
    (tmp_path / "train.csv").write_bytes(b"text\nx\n")
    (tmp_path / "test.csv").write_bytes(b"")
    with pytest.raises(ToolkitError, match=r"test\.csv is empty"):
        sources.locate(tmp_path)
