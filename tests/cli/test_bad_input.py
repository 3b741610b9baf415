"""Bad input ends with exit code 1, one line that says what is wrong and what to do, and nothing left behind."""

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import Called, listing, pictures, raw_rows, refused, untouched, write_csv

Call = Callable[..., Called]
READERS = ("clean", "split", "finetune", "tune")  # commands whose source is a dataset
TRAIN = ("--epochs", "1", "--batch-size", "16", "--precision", "fp32", "--max-length", "48")


def csv_of(folder: Path, rows: list[dict[str, str]], name: str = "bad.csv") -> Path:
    return write_csv(folder / name, rows)


# Files


@pytest.mark.parametrize("command", READERS)
def test_no_such_file(call: Call, tmp_path: Path, command: str) -> None:
    refused(
        call,
        tmp_path,
        command,
        tmp_path / "nosuch.csv",
        says=("no such file or folder", "nosuch.csv", "check the path"),
    )


@pytest.mark.parametrize("command", ["evaluate", "prune", "distill", "quantize", "predict"])
def test_no_such_model(call: Call, split: Path, tmp_path: Path, command: str) -> None:
    says = ("no such model folder", "nosuch", "check the path")
    refused(call, tmp_path, command, tmp_path / "nosuch", "--data", split, says=says)


@pytest.mark.parametrize("command", ["evaluate", "prune", "distill", "quantize", "predict"])
def test_no_such_data(call: Call, model: Path, tmp_path: Path, command: str) -> None:
    says = ("no such file or folder", "nosuch")
    refused(call, tmp_path, command, model, "--data", tmp_path / "nosuch", says=says)


def test_no_such_evaluation(call: Call, split: Path, tmp_path: Path) -> None:
    refused(call, tmp_path, "error-analysis", tmp_path / "nosuch", says=("no such folder", "a finished evaluation"))
    refused(call, tmp_path, "error-analysis", split, says=("holds a dataset, not", "toolkit split"))


@pytest.mark.parametrize("argv", [("show", "nosuch"), ("diff", "nosuch", "nosuch")])
def test_views_of_nothing(call: Call, argv: tuple[str, ...]) -> None:
    called = call(*argv)
    assert (called.code, called.out, called.err.count("\n")) == (1, "", 1)
    assert called.err.startswith("error: no such folder: nosuch: ")


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("name", ["bad.csv", "bad.jsonl", "bad.json", "bad.parquet", "bad.tsv", "bad.csv.gz"])
def test_empty_file(call: Call, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    refused(call, tmp_path, command, tmp_path / name, says=("is empty", name))


@pytest.mark.parametrize("command", READERS)
def test_header_only(call: Call, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.csv").write_text("text,label\n")
    refused(call, tmp_path, command, tmp_path / "bad.csv", says=("has a header but no rows", "give a file with rows"))


@pytest.mark.parametrize("content", ["\n", "   \n\n", "﻿"], ids=["newline", "blanks", "mark"])
def test_nothing_but_blanks(call: Call, tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.csv").write_text(content, encoding="utf-8")
    refused(call, tmp_path, "clean", tmp_path / "bad.csv", says="bad.csv")


@pytest.mark.parametrize("command", READERS)
def test_missing_columns(call: Call, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.csv").write_text("foo,bar\n1,2\n3,4\n")
    trains = command in ("finetune", "tune")  # the others take a table of features too
    says = (
        ("holds tables of features", "--text") if trains else ("has no label column", "--label", "columns are foo, bar")
    )
    refused(call, tmp_path, command, tmp_path / "bad.csv", says=says)
    (tmp_path / "bad.csv").write_text("text,bar\nhello there,2\nhow are you,4\n")
    task = ("--task", "text-classification") if trains else ()  # else masks are to be filled
    says = ("has no label column", "--label", "columns are text, bar")
    refused(call, tmp_path, command, tmp_path / "bad.csv", *task, says=says)
    says = ("has no column 'baz'", "did you mean bar")
    refused(call, tmp_path, command, tmp_path / "bad.csv", "--label", "baz", says=says)


@pytest.mark.parametrize("command", READERS)
def test_binary_named_csv(call: Call, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.csv").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20)
    refused(call, tmp_path, command, tmp_path / "bad.csv", says=("bad.csv is a binary file", "give a text file"))


@pytest.mark.parametrize(
    "head", [b"PK\x03\x04\x14\x00\x06\x00", b"\x89PNG\r\n\x1a\n\x00\x00", b"%PDF-1.7\n%\xb5\xb5\xb5\xb5\n\x00"]
)
def test_a_zip_a_picture_a_pdf_named_csv(call: Call, tmp_path: Path, head: bytes) -> None:
    (tmp_path / "bad.csv").write_bytes(head + os.urandom(4000))
    refused(call, tmp_path, "clean", tmp_path / "bad.csv", says="bad.csv")


@pytest.mark.parametrize("command", READERS)
def test_wrong_encoding(call: Call, tmp_path: Path, command: str) -> None:
    broken = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D, 0xFF, 0xFE, 0x81]) * 4
    (tmp_path / "bad.csv").write_bytes(b"text,label\nhello " + broken + b",a\nworld " + broken + b",b\n")
    refused(call, tmp_path, command, tmp_path / "bad.csv", says=("is not UTF-8 and no other encoding fits", "iconv"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bad.csv", 'text,label\n"a,b,c\nd,e,f,g\nh,i,j,k,l\n', "bad.csv"),
        ("bad.csv", "text,label\na,b,c\n", "does not parse as csv"),
        ("bad.jsonl", '{"text": "a"\n', "line 1 is no JSON"),
        ("bad.jsonl", '{"text": "a", "label": "b"}\n[1]\n', "no list of objects"),
        ("bad.json", '{"text": "a"}', "no list of objects"),
        ("bad.json", "[1, 2]", "no list of objects"),
        ("bad.parquet", "PAR1 not really", "is no whole parquet file"),
        ("bad.csv.gz", "not packed", "is no whole gzip file"),
        ("bad.xlsx", "x", "is of a format that is not read"),
    ],
)
def test_what_does_not_parse(call: Call, tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    refused(call, tmp_path, "clean", tmp_path / name, says=(says, name))


def test_a_folder_without_data(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refused(
        call, tmp_path, "clean", tmp_path / "in", says=("holds no data that is read here", "train, validation and test")
    )
    (tmp_path / "in" / "notes.txt").write_text("x")
    refused(call, tmp_path, "clean", tmp_path / "in", says="holds no data that is read here")


# Labels


@pytest.mark.parametrize("command", ["split", "finetune", "tune", "augment"])
def test_one_class_only(call: Call, tmp_path: Path, command: str) -> None:
    rows = [row | {"label": "billing"} for row in raw_rows(30)]
    says = ("one class only (billing)", "two classes or more")
    refused(call, tmp_path, command, csv_of(tmp_path, rows), says=says)


def test_a_class_with_one_row_in_split(call: Call, tmp_path: Path) -> None:
    rows = raw_rows(30)
    rows[0]["label"] = "lonely"
    refused(call, tmp_path, "split", csv_of(tmp_path, rows), says=("too few rows of lonely", "each class needs"))


@pytest.mark.parametrize("command", ["split", "finetune", "tune", "augment"])
@pytest.mark.parametrize("missing", ["", "NaN"])
def test_labels_that_are_missing(call: Call, tmp_path: Path, command: str, missing: str) -> None:
    rows = [row | {"label": str(i % 2)} for i, row in enumerate(raw_rows(30))]
    rows[3]["label"] = missing
    if missing:  # numbers, one of them not a number
        rows = [row | {"label": f"{row['label']}.0" if row["label"] in "01" else row["label"]} for row in rows]
    says = ("1 rows of train have no label", "train-3", "toolkit clean")
    refused(call, tmp_path, command, csv_of(tmp_path, rows), says=says)


@pytest.mark.parametrize("command", ["split", "finetune", "tune", "augment"])
def test_labels_that_train_never_saw(call: Call, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rows = raw_rows(60)
    csv_of(folder, rows[:48], "train.csv")
    csv_of(folder, [*rows[48:], rows[0] | {"text": "something else entirely, really", "label": "novel"}], "test.csv")
    refused(call, tmp_path, command, folder, says=("test has labels that train never saw (novel)", "add rows"))


@pytest.mark.parametrize("command", ["evaluate", "prune", "distill", "quantize"])
def test_labels_that_the_model_never_saw(call: Call, model: Path, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rows = [row | {"label": row["label"].replace("billing", "novel")} for row in raw_rows(60)]
    for name, part in ("train", rows[:40]), ("validation", rows[40:50]), ("test", rows[50:]):
        csv_of(folder, part, f"{name}.csv")
    says = ("labels that the model does not know (novel)", "it knows billing, delivery, product")
    refused(call, tmp_path, command, model, "--data", folder, says=says)


def test_no_such_split(call: Call, model: Path, raw: Path, tmp_path: Path) -> None:
    says = ("has no test split", "it has train", "--split")
    refused(call, tmp_path, "evaluate", model, "--data", raw, says=says)


def test_texts_that_are_missing(call: Call, tmp_path: Path) -> None:
    rows = raw_rows(30)
    rows[3]["text"] = "  "
    refused(call, tmp_path, "split", csv_of(tmp_path, rows), says=("1 rows of train have no text", "toolkit clean"))


# What is too much, of the wrong shape, or somewhere else; for the two commands that read what nobody has looked at yet

PREPARERS = ("clean", "split")
TEXTS, LABELS = ([row[name] for row in raw_rows(30)] for name in ("text", "label"))


def parquet_of(folder: Path, **columns: object) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), folder / "bad.parquet")
    return folder / "bad.parquet"


def ragged(folder: Path, ending: str) -> Path:
    """Line 8 has a field more, or one less; a quoted field with a line break stands before it."""
    lines = csv_of(folder, raw_rows(30)).read_text(encoding="utf-8").splitlines()
    lines[2] = '"two\nlines that are one row",billing,app'
    lines[6] = lines[6] + ending if ending else lines[6].rpartition(",")[0]
    (folder / "bad.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "bad.csv"


def wide(folder: Path, name: str) -> Path:
    names = [f"c{i}" for i in range(50_000)]
    if name == "bad.parquet":
        return parquet_of(folder, **{column: [1, 2] for column in names[:10_001]})  # 50,000 take seconds to write
    row = (
        json.dumps(dict.fromkeys(names, 1)) if name == "bad.jsonl" else ",".join(names) + "\n" + ",".join("1" * 50_000)
    )
    (folder / name).write_text(row + "\n")
    return folder / name


def labelled(folder: Path, name: str, labels: list[object]) -> Path:
    rows = [{"text": text, "label": labels[i % len(labels)]} for i, text in enumerate(TEXTS)]
    content = "\n".join(map(json.dumps, rows)) if name == "bad.jsonl" else json.dumps(rows)
    (folder / name).write_text(content)
    return folder / name


def tasks(folder: Path, **more: object) -> Path:
    """A Label Studio export of tasks that nobody has annotated."""
    found = [{"id": i, "data": {"text": text}, **more} for i, text in enumerate(TEXTS)]
    (folder / "bad.json").write_text(json.dumps(found), encoding="utf-8")
    return folder / "bad.json"


def nested(kind: str) -> object:
    import pyarrow as pa

    return {
        "lists": [[text] for text in TEXTS],
        "objects": [{"of": text} for text in TEXTS],
        "lists of lists": [[[text]] for text in TEXTS],
        "maps": pa.array([[("a", 1)]] * 30, pa.map_(pa.string(), pa.int64())),
        "deep series": [[[[float(i)]]] for i in range(30)],
    }[kind]


WIDE = (" columns, more than 10000", "keep the columns that are needed")
UNANNOTATED = ("none of its 30 tasks has an annotation", "annotate them, and export as JSON again")
CANCELLED = {"completed_by": 1, "was_cancelled": True, "result": []}
WRONG: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "a field too many": (lambda f: ragged(f, ",x"), ("line 8 has 4 columns, the header 3", "quote fields")),
    "a field too few": (lambda f: ragged(f, ""), ("line 8 has 2 columns, the header 3", "quote fields")),
    "wide csv": (lambda f: wide(f, "bad.csv"), WIDE),
    "wide jsonl": (lambda f: wide(f, "bad.jsonl"), WIDE),
    "wide parquet": (lambda f: wide(f, "bad.parquet"), WIDE),
    "texts in lists": (lambda f: parquet_of(f, text=nested("lists"), label=LABELS), ("'text' is nested", "flatten")),
    "labels in objects": (lambda f: parquet_of(f, text=TEXTS, label=nested("objects")), ("'label' is nested",)),
    "labels in lists of lists": (
        lambda f: parquet_of(f, text=TEXTS, label=nested("lists of lists")),
        ("'label' is nested", "flatten it first"),
    ),
    "series too deep": (lambda f: parquet_of(f, series=nested("deep series"), label=LABELS), ("'series' is nested",)),
    "maps": (
        lambda f: parquet_of(f, text=TEXTS, label=LABELS, meta=nested("maps")),
        ("'meta' is of a type", "drop it"),
    ),
    "mixed jsonl": (lambda f: labelled(f, "bad.jsonl", [1, ["a"]]), ("'label' mixes types", "line 2", "one type")),
    "mixed json": (lambda f: labelled(f, "bad.json", ["a", {"b": 1}]), ("'label' mixes types", "row 2", "one type")),
    "no annotations": (lambda f: tasks(f, annotations=[]), UNANNOTATED),
    "predictions alone": (lambda f: tasks(f, predictions=[{"result": []}]), UNANNOTATED),
    "all cancelled": (lambda f: tasks(f, annotations=[CANCELLED]), UNANNOTATED),
}


@pytest.mark.parametrize("command", PREPARERS)
@pytest.mark.parametrize("wrong", WRONG)
def test_sources_of_the_wrong_shape(call: Call, tmp_path: Path, command: str, wrong: str) -> None:
    make, says = WRONG[wrong]
    named = () if "nested" in says[0] else ("bad.",)
    refused(call, tmp_path, command, make(tmp_path), "--quiet", says=(*named, *says))


@pytest.mark.parametrize("command", PREPARERS)
@pytest.mark.parametrize("name", ["bad.csv", "bad.tsv", "bad.jsonl", "bad.csv.gz"])
def test_a_line_without_end(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    """The real limit is 64 MB; a line of 2 GB ends in the same words after 1 s and 95 MB of memory."""
    from toolkit.data.sources import encoding

    monkeypatch.setattr(encoding, "MAX_LINE", 1 << 20)
    monkeypatch.setattr(encoding, "BLOCK", 1 << 16)
    sign = "\t" if name == "bad.tsv" else ","
    content = f"text{sign}label\nhello there{sign}a\n".encode() + b"x" * (5 << 20) + f"{sign}b\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)
    says = (name, "line 3 is longer than 1 MB", "one row a line")
    refused(call, tmp_path, command, tmp_path / name, says=says)


def test_labels_of_mixed_types_are_read_as_text_which_is_told(call: Call, tmp_path: Path) -> None:
    source = labelled(tmp_path, "bad.jsonl", ["a", 1, True, 1.5, None])
    called = call("clean", source, "--out", tmp_path / "out")
    assert called.code == 0, called.err
    assert "mixed in 'label': read as text" in called.err.replace("\n", " ")
    found = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert found["profile"]["after"]["labels"] == dict.fromkeys(["1", "1.5", "a", "true"], 6)
    assert found["stages"][1]["removed"] == 6


def test_nested_columns_beside_the_content_pass_through(call: Call, tmp_path: Path) -> None:
    import pyarrow as pa

    meta = [{"of": {"pages": [1, 2]}}] * 25 + [None] * 5
    source = parquet_of(tmp_path, text=TEXTS, label=LABELS, meta=meta, tags=[["a"]] * 25 + [None] * 5)
    for command in PREPARERS:
        called = call(command, source, "--out", tmp_path / command)
        assert called.code == 0, called.err
        tables = [pa.parquet.read_table(path) for path in (tmp_path / command / "data").glob("*.parquet")]
        rows = {row["text"]: row for table in tables for row in table.to_pylist()}
        assert [rows[text]["meta"] for text in TEXTS] == meta
        assert [rows[text]["tags"] for text in TEXTS] == [["a"]] * 25 + [None] * 5


# Images


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is so large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def test_image_bombs_are_rejected_unopened(call: Call, tmp_path: Path) -> None:
    import pandas as pd
    from PIL import Image

    source = pictures(tmp_path / "in")
    (source / "cat" / "huge.png").write_bytes(bomb(1_000_000, 1_000_000))
    (source / "cat" / "large.png").write_bytes(bomb(8_001, 8_000))
    Image.new("1", (20_000, 20_000)).save(source / "dog" / "packed.tiff", compression="group4")
    before = untouched(source)
    called = call("clean", source, "--out", tmp_path / "out")
    assert called.code == 0, called.err
    rejected = pd.read_parquet(tmp_path / "out" / "rejected.parquet").set_index("id")
    assert set(rejected.index) == {"cat/huge.png", "cat/large.png", "dog/packed.tiff"}
    assert set(rejected["stage"]) == {"format"}
    assert set(rejected["reason"]) == {"unreadable image"}
    assert rejected["detail"].str.contains("more than 64,000,000 pixels").all()
    assert untouched(source) == before


def test_nothing_but_image_bombs(call: Call, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "in" / label).mkdir(parents=True)
        (tmp_path / "in" / label / "a.png").write_bytes(bomb(100_000, 100_000))
    says = ("all rows were removed", "the last by 'format'", "look at the source")
    refused(call, tmp_path, "clean", tmp_path / "in", "--quiet", says=says)


@pytest.mark.parametrize("command", PREPARERS)
@pytest.mark.parametrize(
    "name", ["../secret.png", "cat/../../secret.png", "{top}/secret.png", "link.png", "away/secret.png"]
)
def test_images_that_lie_outside_the_folder(call: Call, tmp_path: Path, command: str, name: str) -> None:
    source = pictures(tmp_path / "in")
    (tmp_path / "secret.png").write_bytes((source / "cat" / "0.png").read_bytes())
    (source / "link.png").symlink_to("../secret.png")
    (source / "away").symlink_to("..")
    name = name.format(top=tmp_path)
    rows = [{"image": f"{label}/{i}.png", "label": label} for label in ("cat", "dog") for i in range(8)]
    table = csv_of(source, [*rows, {"image": name, "label": "cat"}])
    says = (f"row 17: the image '{name}' leaves the folder", "relative to the table's folder")
    refused(call, tmp_path, command, table, says=says)


@pytest.mark.parametrize("command", PREPARERS)
@pytest.mark.parametrize("link", ["cat/link.png", "fox"])
def test_an_image_folder_with_a_way_out(call: Call, tmp_path: Path, command: str, link: str) -> None:
    source = pictures(tmp_path / "in")
    (tmp_path / "secret.png").write_bytes(b"x")
    (source / link).symlink_to(tmp_path / ("secret.png" if link.endswith("png") else ""))
    says = (link, "is a link that leaves the folder", "copy what it points to into the folder")
    refused(call, tmp_path, command, source, says=says)


# Nothing left


SAME = "every row says the very same thing"
REMOVING: dict[str, tuple[list[dict[str, str]], tuple[str, ...]]] = {
    "missing": ([{"text": text, "label": ""} for text in TEXTS], ()),
    "low-quality": (
        [{"text": text, "label": "a"} for text in TEXTS],
        ("--min-length", "999", "--min-length-cjk", "999"),
    ),
    "contradictions": ([{"text": SAME, "label": str(i)} for i in range(5)], ()),
    "domain": ([{"text": text, "label": "a"} for text in TEXTS], ("--domain-terms", "{terms}", "--domain-share", "0")),
}


@pytest.mark.parametrize("stage", REMOVING)
def test_all_rows_removed_says_which_stage_did_it(call: Call, tmp_path: Path, stage: str) -> None:
    rows, options = REMOVING[stage]
    (tmp_path / "terms.txt").write_text("\n".join({word for t in TEXTS for word in t.split()}), encoding="utf-8")
    options = tuple(option.format(terms=tmp_path / "terms.txt") for option in options)
    says = ("all rows were removed", f"the last by '{stage}', most by '{stage}'", "look at the source, or change")
    refused(call, tmp_path, "clean", csv_of(tmp_path, rows), *options, "--quiet", says=says)
    refused(call, tmp_path, "clean", csv_of(tmp_path, rows), *options, "--quiet", "--report-only", says=says)


def test_all_rows_removed_by_several_stages(call: Call, tmp_path: Path) -> None:
    rows = [{"text": "no", "label": "a"}] * 5 + [{"text": SAME, "label": label} for label in "ab"]
    says = ("all rows were removed", "the last by 'contradictions', most by 'low-quality'")
    refused(call, tmp_path, "clean", csv_of(tmp_path, rows), "--quiet", says=says)


def test_nothing_is_left_to_split(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("train.csv", "test.csv"):
        csv_of(tmp_path / "in", raw_rows(30), name)
    says = ("every row is ", "of test", "--no-keep-test")
    refused(call, tmp_path, "split", tmp_path / "in", says=says)


# What libraries stumble over: numbers, names and types at the edge of what they hold


def edge(folder: Path, kind: str) -> Path:
    import pyarrow as pa

    numbers = list(range(30))
    votes: list[object] = [[{"rater": 1, "label": LABELS[i]}, {"rater": 2, "label": LABELS[i]}] for i in numbers]
    return {
        "huge numbers": lambda: parquet_of(folder, a=[1e308] * 29 + [1.0], b=numbers, label=LABELS),
        "whole numbers beyond floats": lambda: parquet_of(folder, a=[2**53 + 1 + i for i in numbers], label=LABELS),
        "unsigned numbers": lambda: parquet_of(
            folder, a=pa.array([2**63 + 4096 * i for i in numbers], pa.uint64()), b=numbers, label=LABELS
        ),
        "numbered raters": lambda: parquet_of(folder, text=TEXTS, annotations=votes, label=LABELS),
        "control characters in labels": lambda: parquet_of(
            folder, text=TEXTS, label=[f"{x}\x00\x07\ufffe" for x in LABELS]
        ),
        "labels as long as texts": lambda: parquet_of(folder, text=TEXTS, label=[x * 2_000 for x in LABELS]),
    }[kind]()


EDGES = (
    "huge numbers",
    "numbered raters",
    "whole numbers beyond floats",
    "unsigned numbers",
    "control characters in labels",
    "labels as long as texts",
)


@pytest.mark.parametrize("command", PREPARERS)
@pytest.mark.parametrize("kind", EDGES)
def test_values_at_the_edge(call: Call, tmp_path: Path, command: str, kind: str) -> None:
    called = call(command, edge(tmp_path, kind), "--out", tmp_path / "out")
    assert called.code == 0, called.err


# Models


NO_SUCH_TYPE = """{"model_type": "nosuch", "architectures": ["NosuchForSequenceClassification"],
 "id2label": {"0": "billing", "1": "delivery", "2": "product"}}"""


@pytest.fixture
def broken(model: Path, tmp_path: Path) -> Path:
    """A model folder without its manifest, to be broken by a test."""
    folder = tmp_path / "broken"
    shutil.copytree(model, folder)
    (folder / "artifact.json").unlink()
    return folder


def uses(broken: Path, split: Path) -> list[tuple[object, ...]]:
    """The calls that load a model."""
    return [
        ("finetune", split, "--model", broken, *TRAIN),
        ("evaluate", broken, "--data", split),
        ("prune", broken, "--data", split),
        ("distill", broken, "--data", split, "--student", "layers:2"),
        ("quantize", broken, "--data", split),
        ("predict", broken, "--data", split),
    ]


@pytest.mark.parametrize("call_number", range(6))
def test_a_model_without_config(call: Call, broken: Path, split: Path, tmp_path: Path, call_number: int) -> None:
    (broken / "config.json").unlink()
    refused(call, tmp_path, *uses(broken, split)[call_number], says=("has no config.json", "save_pretrained"))


@pytest.mark.parametrize("call_number", range(6))
@pytest.mark.parametrize(
    "content", ["{", "[]", '"x"', "{}", NO_SUCH_TYPE], ids=["cut", "list", "text", "empty", "type"]
)
def test_a_model_whose_config_does_not_parse(
    call: Call, broken: Path, split: Path, tmp_path: Path, call_number: int, content: str
) -> None:
    (broken / "config.json").write_text(content)
    says = "nosuch" if "nosuch" in content else "broken"
    refused(call, tmp_path, *uses(broken, split)[call_number], says=says)


@pytest.mark.parametrize("call_number", range(6))
@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "gone"])
def test_a_model_with_damaged_weights(
    call: Call, broken: Path, split: Path, tmp_path: Path, call_number: int, damage: str
) -> None:
    weights = broken / "model.safetensors"
    if damage == "truncated":
        os.truncate(weights, weights.stat().st_size // 2)
    elif damage == "garbage":
        weights.write_bytes(b"\xff\xfe garbage " * 500)
    elif damage == "empty":
        weights.write_bytes(b"")
    else:
        weights.unlink()
    refused(call, tmp_path, *uses(broken, split)[call_number], says="broken")


def test_an_artifact_whose_files_were_cut(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(model, folder)
    os.truncate(folder / "model.safetensors", 1000)
    says = ("model.safetensors has changed since it was written", "--force")
    refused(call, tmp_path, "evaluate", folder, "--data", split, says=says)


def test_a_model_without_tokenizer(call: Call, broken: Path, split: Path, tmp_path: Path) -> None:
    for path in broken.glob("tokenizer*"):
        path.unlink()
    refused(call, tmp_path, "evaluate", broken, "--data", split, says=("broken", "tokenizer"))


def test_a_dataset_as_a_model(call: Call, split: Path, tmp_path: Path) -> None:
    says = ("holds a dataset, not a model", "toolkit split")
    refused(call, tmp_path, "evaluate", split, "--data", split, says=says)


def test_a_model_as_a_dataset(call: Call, model: Path, tmp_path: Path) -> None:
    refused(call, tmp_path, "clean", model, says=("holds a model, not a dataset", "toolkit finetune"))


@pytest.mark.parametrize("name", ["builtin:text-tny", "nosuch-model", "./nosuch"])
def test_no_such_model_name(call: Call, split: Path, tmp_path: Path, name: str) -> None:
    refused(call, tmp_path, "finetune", split, "--model", name, says=(name, "builtin:text-tiny"))


# Configs


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.json", '{"epoch": 3}', ("unknown key 'epoch'", "did you mean epochs")),
        ("c.toml", "[train.optim]\nweight_deca = 3\n", ("unknown key 'weight_deca'", "did you mean")),
        ("c.yaml", "optim:\n  batch_size: 3\n", ("unknown key 'batch_size'",)),
        ("c.yaml", "epochs: many\n", ("--epochs is 'many'", "type float")),
        ("c.yaml", "epochs: [3]\n", ("--epochs is [3]",)),
        ("c.yaml", "batch_size: 0\n", ("--batch-size is 0", "at least 1")),
        ("c.json", '{"lr": NaN}', ("--lr is nan", "finite")),
        ("c.json", '{"precision": "fp64"}', ("--precision is 'fp64'", "did you mean fp16")),
        ("c.json", '{"epochs": 3', ("does not parse",)),
        ("c.toml", "epochs == 3", ("does not parse",)),
        ("c.yaml", "a: b: c", ("does not parse",)),
        ("c.yaml", "", ("holds no keys", "KEY: VALUE")),
        ("c.json", "[1]", ("holds no keys",)),
        ("c.json", "\x00\xff", ("c.json",)),
        ("nosuch.json", None, ("cannot read the config", "nosuch.json")),
    ],
)
def test_bad_configs(
    call: Call, split: Path, tmp_path: Path, name: str, content: str | None, says: tuple[str, ...]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content.encode("latin-1"))
    refused(call, tmp_path, "finetune", split, "--config", tmp_path / name, says=says)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("epoch=3", "did you mean epochs"),
        ("epochs", "KEY=VALUE"),
        ("epochs=", "--epochs is ''"),
        ("optim.beta2=high", "optim.beta2 is 'high'"),
        ("schedule.beta2=0.9", "unknown key 'schedule.beta2'"),
    ],
)
def test_bad_assignments(call: Call, split: Path, tmp_path: Path, given: str, says: str) -> None:
    refused(call, tmp_path, "finetune", split, "--set", given, says=says)


@pytest.mark.parametrize("gate", ["high", "quality.accuracy=high", "nan"])
def test_bad_gates(call: Call, model: Path, split: Path, tmp_path: Path, gate: str) -> None:
    says = gate.split("=")[0]
    refused(call, tmp_path, "evaluate", model, "--data", split, "--min", gate, says=says)


# Where it should go


def test_out_inside_the_source(call: Call, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in"
    source.mkdir()
    csv_of(source, raw_rows(60), "train.csv")
    for out in (source / "out", source / "deep" / "out", source, tmp_path / "in" / ".." / "in" / "out"):
        refused(call, tmp_path, "clean", source, says=("lie in each other", "choose another --out"), out=out)
    (tmp_path / "link").symlink_to(source)
    refused(call, tmp_path, "clean", source, says="lie in each other", out=tmp_path / "link" / "out")
    refused(call, tmp_path, "clean", tmp_path / "link", says="lie in each other", out=source / "out")
    monkeypatch.chdir(source)
    refused(call, tmp_path, "clean", source, says="lie in each other", out="out")


def test_the_source_inside_out(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "out" / "in"
    source.mkdir(parents=True)
    path = csv_of(source, raw_rows(60), "train.csv")
    for given in (source, path):
        refused(call, tmp_path, "clean", given, says="lie in each other", out=tmp_path / "out")
        refused(call, tmp_path, "clean", given, "--force", says="lie in each other", out=tmp_path / "out")


@pytest.mark.parametrize("out", [".", "", "..", "x/..", "/"])
def test_out_without_a_name(call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    monkeypatch.chdir(tmp_path)
    called = call("clean", raw, "--out", out)
    assert (called.code, called.err.count("\n")) == (1, 1)
    assert "has no name of its own" in called.err
    assert listing(tmp_path) == set()


def test_an_empty_source(call: Call, tmp_path: Path) -> None:
    refused(call, tmp_path, "clean", "", says="empty string")


def test_a_file_as_the_parent_of_out(call: Call, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(
        call, tmp_path, "clean", raw, says=("Not a directory", "check the path"), out=tmp_path / "file" / "deep" / "out"
    )


def test_a_name_that_is_too_long(call: Call, raw: Path, tmp_path: Path) -> None:
    refused(call, tmp_path, "clean", raw, says="File name too long", out=tmp_path / "deep" / ("x" * 250))


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A small disk."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=20)


@pytest.mark.skipif(not shutil.which("mount"), reason="no mount here")
@pytest.mark.parametrize("size", [4096, 32 << 10, 64 << 10])
def test_a_full_disk(call: Call, raw: Path, tmp_path: Path, size: int) -> None:
    with mounted(tmp_path / "disk", size) as disk:
        refused(call, disk, "clean", raw, "--quiet", says=("is full", "free some space"))


@pytest.mark.skipif(not shutil.which("mount"), reason="no mount here")
@pytest.mark.parametrize("size", [1 << 20, 5 << 20, 10 << 20])
def test_a_disk_that_fills_up_in_a_training(call: Call, split: Path, tmp_path: Path, size: int) -> None:
    """Weights, optimizer and checkpoints need some 30 MB; what is kept for a resume is told."""
    with mounted(tmp_path / "disk", size) as disk:
        called = call("finetune", split, "--out", disk / "m", *TRAIN, "--quiet")
        assert called.code == 1, called.err
        assert called.err.count("\n") == 1
        assert called.err.startswith(f"error: the disk of {disk / 'm'} is full: free some space"), called.err
        assert {p.name for p in disk.iterdir()} <= {".m.partial"}
        assert ("same call resumes" in called.err) == (disk / ".m.partial").exists()


def test_a_file_that_may_not_grow(raw: Path, tmp_path: Path) -> None:
    """What needs no rights to mount: the system refuses to write past a size."""
    resource = pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "clean", str(raw), "--out", str(tmp_path / "a" / "b"), "-q"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "free some space" in done.stderr
    assert done.stderr.count("\n") == 1
    assert listing(tmp_path) == set()


def test_a_folder_without_write_permission(call: Call, raw: Path, tmp_path: Path) -> None:
    if os.geteuid():
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
        refused(call, folder, "clean", raw, says=("Permission denied", "the right"))
        return
    with mounted(tmp_path / "locked", 1 << 20) as folder:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True, timeout=20)
        refused(call, folder, "clean", raw, says=("Read-only file system", "the right"))
        refused(call, folder, "clean", raw, says=("Read-only file system", "the right"), out=folder / "out")


def test_an_artifact_on_a_read_only_disk_is_up_to_date(call: Call, raw: Path, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("mounting is for root")
    with mounted(tmp_path / "disk", 8 << 20) as disk:
        assert call("clean", raw, "--out", disk / "a").code == 0
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=20)
        called = call("clean", raw, "--out", disk / "a")
        assert called.code == 0
        assert "up-to-date" in called.err


def test_debug_shows_the_traceback(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_DEBUG", "1")
    with pytest.raises(Exception, match="no such file"):
        call("clean", tmp_path / "nosuch", "--out", tmp_path / "a")


def test_a_bug_is_one_line_too(call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.data import clean

    monkeypatch.setattr(clean, "clean", lambda *a, **k: json.loads("[bold]"))
    called = call("clean", raw, "--out", tmp_path / "deep" / "a", "-q")
    assert called.code == 1
    assert called.err.startswith("error: unexpected JSONDecodeError")
    assert called.err.count("\n") == 1
    assert listing(tmp_path) == set()
