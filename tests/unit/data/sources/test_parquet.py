import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from datasets import Dataset
from pyarrow import parquet

from toolkit.data import sources
from toolkit.errors import ToolkitError


def through(tmp_path, table, **options):
    parquet.write_table(table, tmp_path / "a.parquet", **options)
    return sources.read(sources.locate(tmp_path / "a.parquet")[0])["train"]


PASS = {
    "text": pa.array(["a", "今天", None]),
    "image": pa.array([{"bytes": b"x", "path": "p"}, None, {"bytes": None, "path": "q"}]),
    "series": pa.array([[[1.0, 2.0], [3.0]], None, []]),
    "vector": pa.array([[1.0, 2.0], [], None]),
    "labels": pa.array([["a", "b"], [], None]),
    "meta": pa.array([{"a": 1, "b": [{"c": "x"}]}, None, None]),
    "pair": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int64(), 2)),
    "price": pa.array([Decimal("1.10"), None, Decimal("2.00")]),
    "day": pa.array([datetime.date(2020, 1, 1), None, None]),
    "json": pa.array(['{"a": 1}', None, "[]"], pa.json_()),
    "nothing": pa.nulls(3),
    "nothings": pa.array([[], None, []], pa.list_(pa.null())),
}


@pytest.mark.parametrize("name", PASS)
def test_columns_pass_through(tmp_path, name):
    """As they are, and on into a dataset and its parquet file."""
    given = pa.table({"text": PASS["text"], name: PASS[name]})
    read = through(tmp_path, given, row_group_size=2)
    assert read.schema.field(name).type == parquet.read_schema(tmp_path / "a.parquet").field(name).type
    assert read.to_pylist() == given.to_pylist()
    Dataset(read).to_parquet(tmp_path / "b.parquet")
    assert parquet.read_table(tmp_path / "b.parquet").column(name).to_pylist() == given.column(name).to_pylist()


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array(["a", None, "a"]).dictionary_encode(), "string"),
        (pa.array(["a", None, "b"], pa.string_view()), "string"),
        (pa.array([b"a", None, b"b"], pa.binary_view()), "binary"),
        (pa.array(["a", None, "b"], pa.large_string()), "string"),
        (pa.array(["a", None, "a"], pa.large_string()).dictionary_encode(), "string"),
        (pa.array([b"a", None, b"b"], pa.large_binary()), "binary"),
        (pa.array([["a"], None, []], pa.large_list(pa.large_string())), "list<item: string>"),
    ],
)
def test_dictionaries_views_and_large_types_become_plain(tmp_path, column, kind):
    read = through(tmp_path, pa.table({"x": column}), row_group_size=1).column("x")
    assert str(read.type) == kind
    assert read.to_pylist() == column.to_pylist()


def test_what_the_schema_says_is_kept(tmp_path):
    """Class names stand there."""
    given = pa.table({"text": ["a"]}).replace_schema_metadata({"huggingface": "{}"})
    assert through(tmp_path, given).schema.metadata == {b"huggingface": b"{}"}


@pytest.mark.parametrize(
    "kind",
    [
        pa.map_(pa.string(), pa.int64()),
        pa.list_(pa.map_(pa.string(), pa.int64())),
        pa.struct([("a", pa.map_(pa.string(), pa.int64()))]),
        pa.list_view(pa.int64()),
        pa.uuid(),
    ],
    ids=str,
)
def test_types_that_no_dataset_holds_are_refused(tmp_path, kind):
    with pytest.raises(ToolkitError, match=r"column 'meta' is of a type that is not read .*: drop it, or write it as"):
        through(tmp_path, pa.table({"text": ["a"], "meta": pa.nulls(1, kind)}))


def test_too_many_columns_are_refused(tmp_path):
    with pytest.raises(ToolkitError, match="has 10001 columns, more than 10000"):
        through(tmp_path, pa.table({str(i): [1] for i in range(10_001)}))


def test_damage_is_told(tmp_path):
    parquet.write_table(pa.table({"text": ["hello there"] * 9999}), tmp_path / "a.parquet", compression="none")
    whole = (tmp_path / "a.parquet").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-9], whole[:4] + b"\xff" * 60 + whole[64:], b"PAR1"):
        (tmp_path / "a.parquet").write_bytes(damaged)
        with pytest.raises(ToolkitError, match="no whole parquet"):
            sources.read({"train": [tmp_path / "a.parquet"]})


def test_texts_that_are_no_text_are_refused(tmp_path):
    bad = pa.StringArray.from_buffers(1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe"))
    with pytest.raises(ToolkitError, match=r"no whole parquet.*UTF8"):
        through(tmp_path, pa.table({"text": bad}))


def test_no_rows(tmp_path):
    with pytest.raises(ToolkitError, match="no rows"):
        through(tmp_path, pa.table({"text": pa.array([], pa.string())}))
