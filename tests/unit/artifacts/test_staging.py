"""A folder appears under its final name only when it is complete."""

import errno
import os
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from toolkit.artifacts import manifest, staging
from toolkit.errors import ToolkitError


def place(out: Path, stamp: str = "s", **options: Any) -> staging.Staging:
    return staging.Staging(out, stamp, **{"resumable": False, "force": False, "replace": False} | options)


def finish(folder: Path, stamp: str = "s") -> None:
    """Write an artifact."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.bin").write_bytes(b"1234")
    value = {key: {} for key in manifest.KEYS} | {"schema_version": 1, "stamp": stamp, "outputs": []}
    manifest.write_json(folder / manifest.NAME, value)


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def last(work: Path) -> Path:
    return work / "checkpoints" / "checkpoint-1" / "complete"


def checkpoint(work: Path) -> None:
    """What the training engine leaves."""
    last(work).parent.mkdir(parents=True)
    last(work).touch()


def test_it_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "a"
    with staging.stage(out, "s", resumable=False, force=False, replace=False) as at:
        assert not out.exists()
        assert at.work.is_dir()
        checkpoint(at.work)
        finish(at.folder)
    assert names(out) == {"data.bin", manifest.NAME}
    assert names(out.parent) == {"a"}


@pytest.mark.parametrize("error", [ValueError("x"), ToolkitError("x", "y"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):  # noqa: PT012, SIM117
        with staging.stage(tmp_path / "deep" / "er" / "a", "s", resumable=False, force=False, replace=False) as at:
            checkpoint(at.work)
            raise error
    assert names(tmp_path) == set()


def test_parents_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    with (
        pytest.raises(ValueError, match="x"),
        staging.stage(tmp_path / "deep" / "er" / "a", "s", resumable=False, force=False, replace=False),
    ):
        raise ValueError("x")
    assert names(tmp_path) == {"deep"}
    assert names(tmp_path / "deep") == set()


def test_a_resumable_failure_keeps_its_work_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError, match="the same call resumes"):  # noqa: PT012, SIM117
        with staging.stage(tmp_path / "a", "s", resumable=True, force=False, replace=False) as at:
            checkpoint(at.work)
            (at.folder / "half").write_text("x")
            raise ToolkitError("loss is nan", "use a smaller --lr")
    again = place(tmp_path / "a", resumable=True)
    again.open()
    assert again.resumed
    assert last(again.work).exists()
    assert not (again.folder / "half").exists()
    again.abandon()
    other = place(tmp_path / "a", "other", resumable=True)
    with pytest.raises(ToolkitError, match="unfinished work"):
        other.open()
    assert last(other.work).exists()
    forced = place(tmp_path / "a", "other", resumable=True, force=True)
    forced.open()
    assert not forced.resumed
    assert names(forced.work) == set()
    forced.abandon()
    assert names(tmp_path) == set()


def test_the_lock_is_told_from_the_outside_and_dies_with_its_owner(tmp_path: Path) -> None:
    first = place(tmp_path / "a")
    first.open()
    with pytest.raises(ToolkitError, match="another process is writing"):
        place(tmp_path / "a").open()
    assert first.work.is_dir()
    os.close(first._lock)  # type: ignore[arg-type]  # as the system does when a process dies
    first._lock = None
    second = place(tmp_path / "a")
    second.open()
    finish(second.folder)
    second.publish()
    assert names(tmp_path) == {"a"}


def test_a_lock_on_a_folder_that_was_published_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    folder = tmp_path / ".a.partial"
    folder.mkdir()
    real = fcntl.flock

    def flock(handle: int, how: int) -> None:
        real(handle, how)
        folder.rename(tmp_path / "a")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ToolkitError, match="another process"):
        staging._lock(folder, tmp_path / "a")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def flock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    at = place(tmp_path / "a")
    at.open()
    finish(at.folder)
    at.publish()
    assert names(tmp_path / "a") == {"data.bin", manifest.NAME}


def test_a_finished_leftover_is_published_and_a_damaged_one_removed(tmp_path: Path) -> None:
    finish(tmp_path / ".a.partial")
    at = place(tmp_path / "a")
    at.open()
    assert at.finished
    at.publish()
    assert manifest.whole(tmp_path / "a")
    finish(tmp_path / ".b.partial")
    (tmp_path / ".b.partial" / manifest.NAME).write_text("{")
    at = place(tmp_path / "b")
    at.open()
    assert not at.finished
    assert names(at.folder) == {"work", "stamp.json", ".lock"}
    at.abandon()


def test_what_is_there_is_not_replaced_unless_it_may_be(tmp_path: Path) -> None:
    finish(tmp_path / "a", "old")
    with pytest.raises(ToolkitError, match="appeared meanwhile"):
        place(tmp_path / "a").open()
    assert names(tmp_path) == {"a"}
    at = place(tmp_path / "a", replace=True)
    at.open()
    finish(at.folder, "new")
    at.publish()
    assert (manifest.read(tmp_path / "a") or {})["stamp"] == "new"
    assert names(tmp_path) == {"a"}


def test_the_old_one_comes_back_when_the_new_one_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a"
    finish(out, "old")
    at = place(out, replace=True)
    at.open()
    finish(at.folder, "new")
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if source == at.folder:
            raise PermissionError(errno.EACCES, "no")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(PermissionError):
        at.publish()
    assert (manifest.read(out) or {})["stamp"] == "old"
    assert at._lock is None


@pytest.mark.parametrize("there", [True, False])
def test_recover(tmp_path: Path, there: bool) -> None:
    finish(tmp_path / ".a.old", "old")
    if there:
        finish(tmp_path / "a", "new")
    staging.recover(tmp_path / "a")
    assert names(tmp_path) == {"a"}
    assert (manifest.read(tmp_path / "a") or {})["stamp"] == ("new" if there else "old")
    staging.recover(tmp_path / "a")
    assert names(tmp_path) == {"a"}


Usage = namedtuple("Usage", "total used free")


def test_a_full_disk_is_told_whatever_the_library_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(100, 100, 0))
    with pytest.raises(ToolkitError, match="is full: free some space"):  # noqa: SIM117
        with staging.stage(tmp_path / "a", "s", resumable=False, force=False, replace=False):
            raise RuntimeError("PytorchStreamWriter failed writing file")
    monkeypatch.undo()
    for error in (OSError(errno.ENOSPC, "x"), RuntimeError("I/O error: No space left on device (os error 28)")):
        with pytest.raises(ToolkitError, match="is full"):  # noqa: SIM117
            with staging.stage(tmp_path / "a", "s", resumable=False, force=False, replace=False):
                raise error
    with (
        pytest.raises(RuntimeError, match="another"),
        staging.stage(tmp_path / "a", "s", resumable=False, force=False, replace=False),
    ):
        raise RuntimeError("another")
    assert names(tmp_path) == set()
