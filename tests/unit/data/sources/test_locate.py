import subprocess
import sys

import pytest

from toolkit.data import sources
from toolkit.errors import ToolkitError


def test_folder_of_splits(tmp_path):
    for name in ("train.csv", "dev.tsv", "TEST.jsonl.gz", "notes.txt", "labels.csv", "oos_train.csv", ".hidden.csv"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "test").mkdir()
    files, passed_over = sources.locate(tmp_path)
    assert {split: [f.name for f in found] for split, found in files.items()} == {
        "train": ["train.csv"],
        "validation": ["dev.tsv"],
        "test": ["TEST.jsonl.gz"],
    }
    assert list(files) == ["train", "validation", "test"]
    assert passed_over == ["labels.csv", "notes.txt", "oos_train.csv", "test"]


@pytest.mark.parametrize("suffix", [".ts", ".csv.gz"])
def test_splits_after_the_name_of_the_data_set(tmp_path, suffix):
    for name in (f"Toy_TEST{suffix}", f"Toy_TRAIN{suffix}", f"other_test{suffix}", "Toy.txt"):
        (tmp_path / name).write_bytes(b"x")
    files, passed_over = sources.locate(tmp_path)
    assert {split: [f.name for f in found] for split, found in files.items()} == {
        "train": [f"Toy_TRAIN{suffix}"],
        "test": [f"Toy_TEST{suffix}"],
    }
    assert passed_over == ["Toy.txt", f"other_test{suffix}"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train.csv", "train.jsonl"], "2 files for train.*keep one of train.csv, train.jsonl"),
        (["val.csv", "dev.csv"], "2 files for validation"),
        (["A_TRAIN.ts", "B_TRAIN.ts", "A_TEST.ts"], r"several data sets \(A, B\): give one a folder"),
        (["A_TRAIN.ts", "A_train.csv"], "2 files for train"),
        (["A_TEST.ts"], "no data that is read"),
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


@pytest.mark.parametrize("name", ["a.xlsx", "a.gz", "a.jpg", "a"])
def test_formats_that_are_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ToolkitError, match=r"of a format that is not read: give one of \.csv, .*\.parquet, \.ts"):
        sources.locate(tmp_path / name)


def test_locating_imports_nothing_heavy(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(b"x")
    code = (
        "import sys\nfrom pathlib import Path\nfrom toolkit.data import sources\n"
        "files, _ = sources.locate(Path(sys.argv[1]))\nassert sources.image_names(files) == {'train': ['cat/a.jpg']}\n"
        "print([m for m in ('pyarrow', 'numpy', 'pandas', 'datasets', 'PIL', 'csv') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['csv']"
