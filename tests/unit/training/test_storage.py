import sqlite3

import optuna
import pytest

from toolkit.config import without_password
from toolkit.errors import ToolkitError
from toolkit.training import storage

MADE = {"space": {"lr": {"low": 0.1, "high": 0.2}}, "metric": "accuracy", "data": "a1"}


@pytest.mark.parametrize(
    ("given", "kind", "place"),
    [
        ("a/b.db", "sqlite", "a/b.db"),
        ("sqlite:///a/b.db", "sqlite", "a/b.db"),
        ("sqlite:////a/b", "sqlite", "/a/b"),
        ("a/b.log", "journal", "a/b.log"),
        ("journal:a/b", "journal", "a/b"),
        ("postgresql://me:x@host/db", "server", "postgresql+psycopg://me:x@host/db"),
        ("postgresql+psycopg://host/db", "server", "postgresql+psycopg://host/db"),
        ("mysql://host/db", "server", "mysql+pymysql://host/db"),
    ],
)
def test_the_forms_of_a_storage(monkeypatch, given, kind, place):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert storage.locate(given) == (kind, place)


@pytest.mark.parametrize("given", ["study", "a.txt", "oracle://me:secret@host/db", "redis://host", ""])
def test_what_is_no_storage(given):
    with pytest.raises(ToolkitError, match="is no storage") as raised:
        storage.locate(given)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("scheme", "module"), [("postgresql", "psycopg"), ("mysql", "pymysql")])
def test_a_missing_driver_names_its_extra(monkeypatch, scheme, module):
    asked = []
    monkeypatch.setattr("importlib.util.find_spec", asked.append)
    with pytest.raises(ToolkitError, match=rf"needs {module}.*model-toolkit\[{scheme}\]"):
        storage.check(f"{scheme}://host/db")
    assert asked == [module]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("mysql://me:se@cr/et@host:3/db?a=b", "mysql://me:***@host:3/db?a=b"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db?user=me&password=***"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("a/b.db", "a/b.db"),
    ],
)
def test_no_password_is_shown(url, shown):
    assert without_password(url) == shown


def test_what_a_driver_says_holds_no_password(monkeypatch):
    import sqlalchemy

    def refuse(url, **options):
        raise sqlalchemy.exc.OperationalError("connect", {}, OSError("no such host as se%cret and se%25cret\nmore"))

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(sqlalchemy, "create_engine", refuse)
    with pytest.raises(ToolkitError) as raised:
        storage.check("postgresql://me:se%25cret@host/db")
    assert str(raised.value) == "cannot reach the storage postgresql://me:***@host/db: no such host as *** and ***"


@pytest.mark.parametrize("name", ["missing/a.db", "missing/a.log"])
def test_a_file_in_no_folder(tmp_path, name):
    with pytest.raises(ToolkitError, match="there is no folder"):
        storage.check(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "says"), [("a.db", "not a database"), ("a.log", "no journal")])
def test_a_file_of_something_else(tmp_path, name, says):
    (tmp_path / name).write_text("something else\nand more\n")
    with pytest.raises(ToolkitError, match=says):
        storage.study(str(tmp_path / name), "s", "maximize", MADE)
    assert (tmp_path / name).read_text() == "something else\nand more\n"


@pytest.mark.parametrize("name", ["a.db", "a.log"])
def test_a_study_is_joined_by_what_is_like_it_only(tmp_path, name):
    place = str(tmp_path / name)
    first = storage.study(place, "s", "maximize", MADE)
    first.add_trial(optuna.trial.create_trial(value=0.5))
    assert len(storage.study(place, "s", "maximize", MADE).trials) == 1
    assert len(storage.study(place, "t", "minimize", MADE).trials) == 0
    for changed, says in (
        ({"space": {"lr": {"low": 0.1, "high": 0.3}}}, "another space"),
        ({"metric": "loss"}, "another metric"),
        ({"data": "b", "space": {}}, "another space and another data"),
    ):
        with pytest.raises(ToolkitError, match=f"'s' in .* was made with {says}: "):
            storage.study(place, "s", "maximize", MADE | changed)
    with pytest.raises(ToolkitError, match="another direction"):
        storage.study(place, "s", "minimize", MADE)


def test_a_study_of_someone_else_is_left_alone(tmp_path):
    place = str(tmp_path / "a.db")
    theirs = optuna.create_study(storage=f"sqlite:///{place}", study_name="s", direction="maximize")
    theirs.add_trial(optuna.trial.create_trial(value=0.5))
    with pytest.raises(ToolkitError, match="not of toolkit tune"):
        storage.study(place, "s", "maximize", MADE)


def test_a_snapshot_is_the_whole_study(tmp_path):
    study = storage.study(str(tmp_path / "a.log"), "s", "maximize", MADE)
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"worker": "w"}, intermediate_values={1: 0.4}))
    for _ in range(2):
        storage.snapshot(study, tmp_path / "study.db")
    copied = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [(t.value, t.user_attrs, t.intermediate_values) for t in copied.trials] == [(0.5, {"worker": "w"}, {1: 0.4})]
    assert copied.user_attrs == study.user_attrs


def test_a_storage_that_breaks_off_is_told(tmp_path):
    place = tmp_path / "a.db"
    study = storage.study(str(place), "s", "maximize", MADE)
    with sqlite3.connect(place) as base:
        base.execute("drop table trials")
    with pytest.raises(ToolkitError, match=r"lost the storage .*a\.db: "), storage.guarded(str(place)):
        study.ask()


def test_tables_that_another_worker_makes_at_this_moment(tmp_path, monkeypatch):
    from sqlalchemy.exc import ProgrammingError

    calls = []

    class Busy(optuna.storages.RDBStorage):
        def __init__(self, *args, **options):
            calls.append(args)
            if len(calls) < 3:
                raise ProgrammingError("create", {}, Exception('relation "studies" already exists'))
            super().__init__(*args, **options)

    monkeypatch.setattr(optuna.storages, "RDBStorage", Busy)
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    assert storage.study(str(tmp_path / "a.db"), "s", "maximize", MADE).study_name == "s"
    assert len(calls) == 3
