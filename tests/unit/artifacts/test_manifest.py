"""`artifact.json`: written whole, read with suspicion."""

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit import digest
from toolkit.artifacts import manifest
from toolkit.errors import ToolkitError


def written(folder: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    (folder / "data.bin").write_bytes(b"1234")
    value = {key: {} for key in manifest.KEYS} | {
        "schema_version": 1,
        "kind": "dataset",
        "stamp": "s",
        "outputs": manifest.outputs_of(folder),
    }
    value |= changes
    manifest.write_json(folder / manifest.NAME, value)
    return value


def test_read_gives_what_was_written(tmp_path: Path) -> None:
    assert manifest.read(tmp_path / "a") is None
    value = written(tmp_path / "a")
    assert manifest.read(tmp_path / "a") == value
    assert manifest.whole(tmp_path / "a") == value
    assert manifest.read(tmp_path / "a" / "data.bin") is None


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"schema_version": "x"}', b'{"schema_version": 1}']
)
def test_what_is_damaged(tmp_path: Path, text: bytes) -> None:
    (tmp_path / manifest.NAME).write_bytes(text)
    with pytest.raises(ToolkitError, match="--force"):
        manifest.read(tmp_path)
    assert manifest.whole(tmp_path) is None


def test_a_newer_schema(tmp_path: Path) -> None:
    written(tmp_path, schema_version=99)
    with pytest.raises(ToolkitError, match="newer toolkit"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("change", ["gone", "cut"])
def test_files_that_changed(tmp_path: Path, change: str) -> None:
    value = written(tmp_path)
    if change == "gone":
        (tmp_path / "data.bin").unlink()
    else:
        (tmp_path / "data.bin").write_bytes(b"12")
    with pytest.raises(ToolkitError, match=r"data\.bin"):
        manifest.check_files(tmp_path, value)
    assert manifest.whole(tmp_path) is None


def test_write_json_leaves_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    manifest.write_json(path, {"a": 1})
    for bad in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises((ValueError, TypeError)):
            manifest.write_json(path, bad)
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        manifest.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_the_content_digest_is_of_the_data_half() -> None:
    data = {"path": "data/train.parquet", "digest": "1"}
    report = [
        {"path": p, "digest": "2"} for p in ("README.md", "report.html", "logs/x", "figures/a.png", "metrics.json")
    ]
    assert manifest.content_digest([data]) == manifest.content_digest([data, *report])
    assert manifest.content_digest([data]) != manifest.content_digest([data | {"digest": "3"}])
    assert manifest.content_digest([data]) != manifest.content_digest([data | {"path": "data/test.parquet"}])


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (5 << 20))
    (tmp_path / "b").write_bytes(b"x" * (5 << 20))
    assert digest.of_file(tmp_path / "a") == digest.of_file(tmp_path / "b")
    assert manifest.digest_json({"a": 1, "b": 2}) == manifest.digest_json({"b": 2, "a": 1})
    assert manifest.digest_json({"a": 1}) != manifest.digest_json({"a": 1.5})


def test_figures_come_from_the_fullest_file(tmp_path: Path) -> None:
    value = {"metrics": {"from": "summary"}}
    assert manifest.figures_of(tmp_path, value) == {"from": "summary"}
    (tmp_path / "report.json").write_text('{"from": "report"}')
    assert manifest.figures_of(tmp_path, value) == {"from": "report"}
    (tmp_path / "metrics.json").write_text('{"from": "metrics"}')
    assert manifest.figures_of(tmp_path, value) == {"from": "metrics"}


def test_versions_and_machine() -> None:
    assert {"python", "toolkit", "torch", "transformers"} <= set(manifest.versions())
    machine = manifest.machine()
    assert machine["cores"] >= 1
    assert machine["cpu"]
