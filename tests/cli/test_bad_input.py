"""Bad input ends with exit code 1, one line that says what is wrong and what to do, and nothing left behind."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import Called, listing, raw_rows, write_csv

Call = Callable[..., Called]
READERS = ("clean", "split", "finetune", "tune")  # commands whose source is a dataset
TRAIN = ("--epochs", "1", "--batch-size", "16", "--precision", "fp32", "--max-length", "48")


def refused(call: Call, folder: Path, *argv: object, says: str | tuple[str, ...], out: object = None) -> None:
    """Call into a deep `--out` under `folder`; it is refused in one line that says so, and leaves nothing."""
    before = listing(folder)
    called = call(*argv, "--out", out or folder / "deep" / "er" / "out")
    assert called.code == 1, called.err
    assert called.out == ""
    lines = called.err.splitlines()
    assert len(lines) == 1, called.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in called.err
    assert "a bug" not in called.err
    for word in (says,) if isinstance(says, str) else says:
        assert word in lines[0], lines[0]
    assert ": " in lines[0].removeprefix("error: "), "it says what to do"
    assert listing(folder) == before


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
    part = "label" if command in ("clean", "split") else "text"  # these two take a table of features too
    says = (f"has no {part} column", f"--{part}", "columns are foo, bar")
    refused(call, tmp_path, command, tmp_path / "bad.csv", says=says)
    (tmp_path / "bad.csv").write_text("text,bar\nhello there,2\nhow are you,4\n")
    refused(
        call, tmp_path, command, tmp_path / "bad.csv", says=("has no label column", "--label", "columns are text, bar")
    )
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
        ("c.json", '{"precision": "fp64"}', ("--precision is 'fp64'", "fp32")),
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
        ("optim.beta2=high", "--beta2 is 'high'"),
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
