import json
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from toolkit.data import sources
from toolkit.data.sources import delimited, gather, objects

ROWS = [{"text": f"row {i} " + "x" * 50, "n": i, "real": i + 0.5, "label": "ab"[i % 2]} for i in range(5000)]


def content(name):
    if name.endswith("csv"):
        return "\n".join([",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)])
    if name.endswith("jsonl"):
        return "\n".join(map(json.dumps, ROWS))
    return json.dumps(ROWS)


@pytest.fixture
def small(monkeypatch):
    """Limits and blocks that a test file passes."""
    monkeypatch.setattr(gather, "SPILL_BYTES", 100_000)
    monkeypatch.setattr(delimited, "_BLOCK", 50_000)
    monkeypatch.setattr(objects, "ROWS", 500)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_what_is_laid_out_is_what_was_read(table, tmp_path, small, name):
    """It takes no memory of Arrow's, and stays good when the file's name is gone."""
    aside = tmp_path / "aside"
    if name == "a.parquet":
        coded = pa.Table.from_pylist(ROWS)
        coded = coded.set_column(3, "label", coded.column("label").dictionary_encode())
        parquet.write_table(coded, tmp_path / name, row_group_size=1000)
        given = (tmp_path / name).read_bytes()
    else:
        given = content(name)
    before = pa.total_allocated_bytes()
    read = table(name, given, aside)
    assert pa.total_allocated_bytes() - before < 100_000
    (file,) = aside.iterdir()
    file.unlink()
    assert read.to_pylist() == ROWS
    assert [str(kind) for kind in read.schema.types] == ["string", "int64", "double", "string"]
    assert read.equals(table(name, given))


def test_a_small_source_stays_in_memory(table, tmp_path):
    assert table("a.csv", content("a.csv"), tmp_path / "aside").num_rows == 5000
    assert not (tmp_path / "aside").exists()


def test_columns_that_change_late(table, tmp_path, small):
    """The first pass was laid out already when the type turned out to be another."""
    lines = [json.dumps({"text": "x" * 100, "n": 1})] * 4000 + ['{"text": "y", "n": 0.5, "new": true}']
    read = table("a.jsonl", "\n".join(lines), tmp_path / "aside")
    assert [str(kind) for kind in read.schema.types] == ["string", "double", "bool"]
    assert read.slice(4000).to_pylist() == [{"text": "y", "n": 0.5, "new": True}]


def test_splits_are_laid_out_apart(tmp_path, small):
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text(content("a.csv").replace("row", split))
    tables = sources.read(sources.locate(tmp_path)[0], tmp_path / "aside")
    assert {split: table["text"][0].as_py()[:5] for split, table in tables.items()} == {
        "train": "train",
        "test": "test ",
    }


CHILD = """
import resource, sys
from pathlib import Path
import pyarrow.csv, pyarrow.compute
from toolkit.data import sources
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = sources.read({"train": [Path(sys.argv[1])]})["train"]
print(table.num_rows, table.nbytes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * int(sys.argv[2]))
"""


def test_a_csv_file_costs_its_table_and_a_few_blocks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + f"{'word ' * 12},a\n" * 400_000)
    unit = 1 if sys.platform == "darwin" else 1024
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(unit)], capture_output=True, text=True, check=True
    )
    count, size, cost = map(int, done.stdout.split())
    assert count == 400_000
    assert cost < size + (120 << 20), (size >> 20, cost >> 20)
