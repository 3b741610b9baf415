import fcntl

import pytest

from toolkit.artifacts import scratch


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_removed(root):
    with scratch.folder() as place:
        (place / "a").write_text("x")
        assert place.parent == root
    assert not list(root.iterdir())


def test_what_a_killed_process_left_is_removed(root):
    dead, living, other, stranger = (root / f"toolkit-{name}" for name in ("dead", "living", "other", "stranger"))
    for place in (dead, living, other):
        place.mkdir()
    (dead / "train.arrow").write_text("x")
    (dead / scratch.LOCK).touch()
    stranger.write_text("no folder")
    (living / scratch.LOCK).touch()
    with (living / scratch.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with scratch.folder() as place:
            assert sorted(p.name for p in root.iterdir()) == sorted(
                ["toolkit-living", "toolkit-other", "toolkit-stranger", place.name]
            )


def test_two_at_a_time_leave_each_other_alone(root):
    with scratch.folder() as first:
        with scratch.folder() as second:
            assert first.exists()
            assert second.exists()
        assert first.exists()
