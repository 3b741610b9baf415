"""Where a study is kept: SQLite, PostgreSQL, MySQL or a journal file; any number of workers share one."""

from __future__ import annotations

import importlib.util
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import optuna

from toolkit.config import without_password
from toolkit.errors import ToolkitError

# what stands before :// -> Optuna's name of it, the module of its driver, the extra that brings that
DATABASES = {
    "postgresql": ("postgresql+psycopg", "psycopg", "postgresql"),
    "postgresql+psycopg": ("postgresql+psycopg", "psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mysql+pymysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "pymysql", "mysql"),
    "mariadb+pymysql": ("mariadb+pymysql", "pymysql", "mysql"),
}
FORMS = "give postgresql://…, mysql://…, a file NAME.db (SQLite), or a file NAME.log or journal:PATH (a journal)"
SECONDS_TO_CONNECT = 10
SECONDS_TO_LOCK = 60  # how long a worker waits for another one's write to SQLite
MADE = "toolkit"  # a study's attribute: what it was made for


def locate(given: str) -> tuple[str, str]:
    """The kind of a storage ("journal", "sqlite" or "server") and its file or URL.

    Raises:
        ToolkitError: it is none of these, or its driver is not installed.
    """
    scheme, found, _ = given.partition("://")
    if given.startswith("journal:"):
        return "journal", given.removeprefix("journal:")
    if found and scheme == "sqlite":
        return "sqlite", given.removeprefix("sqlite:///")
    if found and scheme in DATABASES:
        name, module, extra = DATABASES[scheme]
        if importlib.util.find_spec(module) is None:
            raise ToolkitError(f"{scheme} needs {module}", f"pip install 'model-toolkit[{extra}]'")
        return "server", name + given.removeprefix(scheme)
    if not found and given.endswith((".db", ".sqlite", ".sqlite3")):
        return "sqlite", given
    if not found and given.endswith(".log"):
        return "journal", given
    raise ToolkitError(f"--storage {without_password(given)} is no storage", FORMS)


def check(given: str) -> None:
    """See whether the storage can be reached, and leave no trace there.

    Raises:
        ToolkitError: it cannot.
    """
    kind, place = locate(given)
    with _told(given):
        if kind == "server":
            import sqlalchemy

            sqlalchemy.create_engine(place, **_engine(kind)).connect().close()
        elif not Path(place).resolve().parent.is_dir():
            raise OSError(f"there is no folder {Path(place).resolve().parent}")


def study(given: str, name: str, direction: str, made: Mapping[str, Any]) -> Any:
    """The study of that name in a storage, new or as other workers began it.

    Args:
        direction: "maximize" or "minimize".
        made: what the study is made for, part -> value; a study that is there must agree in each.

    Raises:
        ToolkitError: the storage cannot be reached, or the study there is of something else.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with _told(given):
        return _join(_connect(*locate(given)), name, direction, made, without_password(given))


def _connect(kind: str, place: str) -> Any:
    """The storage; its tables or its file are made where there are none."""
    if kind == "journal":
        from optuna.storages.journal import JournalFileBackend

        return optuna.storages.JournalStorage(JournalFileBackend(place))
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    url = f"sqlite:///{place}" if kind == "sqlite" else place
    for seconds in (0.5, 1.0, 2.0):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=_engine(kind))
        except (IntegrityError, OperationalError, ProgrammingError) as e:
            if not re.search("already exists|duplicate|unique", str(e.orig), re.IGNORECASE):
                raise
            time.sleep(seconds)  # another worker is making the tables at this moment
    return optuna.storages.RDBStorage(url, engine_kwargs=_engine(kind))


def _engine(kind: str) -> dict[str, Any]:
    if kind == "sqlite":
        return {"connect_args": {"timeout": SECONDS_TO_LOCK}}
    return {"connect_args": {"connect_timeout": SECONDS_TO_CONNECT}, "pool_pre_ping": True}


@contextmanager
def _told(given: str) -> Iterator[None]:
    """What libraries raise when a storage does not work, as one line that holds no password."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError, ValueError, KeyError, RuntimeError) as e:
        raise _failure(given, e, "cannot reach the storage") from e


@contextmanager
def guarded(given: str) -> Iterator[None]:
    """Tell the user when a storage breaks off while it is used."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as e:
        raise _failure(given, e, "lost the storage") from e


def _failure(given: str, e: Exception, what: str) -> ToolkitError:
    cause: BaseException = getattr(e, "orig", None) or (e.__cause__ and getattr(e.__cause__, "orig", None)) or e
    reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    if isinstance(e, ValueError) and locate(given)[0] == "journal":
        reason = "it is no journal of Optuna's"
    password = re.search(r"://[^:/@]*:(.+)@", given)
    for part in [password[1], unquote(password[1]), *password[1].split("@")] if password else []:
        reason = reason.replace(part, "***")
    return ToolkitError(f"{what} {without_password(given)}", reason)


def _join(storage: Any, name: str, direction: str, made: Mapping[str, Any], where: str) -> Any:
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    plain = json.loads(json.dumps(made))
    if MADE not in study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr(MADE, plain)
    there = study.user_attrs.get(MADE)
    if there is None:
        raise ToolkitError(f"the study '{name}' in {where} is not of toolkit tune", "give another --study-name")
    other = [key for key, value in plain.items() if there.get(key) != value]
    if study.direction.name.lower() != direction and "metric" not in other:
        other.append("direction")
    if other:
        hint = "give the options that it was made with, or another --study-name"
        raise ToolkitError(f"the study '{name}' in {where} was made with another {' and another '.join(other)}", hint)
    return study


def snapshot(study: Any, path: Path) -> None:
    """Copy a study into an SQLite file of its own."""
    path.unlink(missing_ok=True)
    aside = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.copy_study(
        from_study_name=study.study_name, from_storage=study._storage, to_storage=aside, to_study_name=study.study_name
    )
    aside.engine.dispose()
