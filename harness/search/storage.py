"""Optuna's storage, opened to be written or only to be read.

Optuna makes its tables in whatever it opens, and SQLite a file. What is opened to be read is left
as it is to the byte: a SQLite file is opened read-only, and as one that nobody writes where there
is no log beside it, since SQLite would make one; a server's session refuses to write.
"""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Iterator
from typing import Any

import optuna
import sqlalchemy

from harness.errors import StoreError, nearest, shorten
from harness.search.storage_file import OPTUNA_TABLE, check_storage
from harness.search.storage_url import StorageUrl
from harness.tracking import sqlite_file
from harness.tracking.trouble import busy_timeout_s
from harness.tracking.trouble import reason as trouble_reason

CONNECT_TIMEOUT_S = 10  # a host that does not answer is waited for two minutes otherwise
DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")


@contextlib.contextmanager
def told(where: StorageUrl, what: str) -> Iterator[None]:
    """Errors of the database as StoreError: ``what`` was tried at ``where``."""
    try:
        yield
    except (
        optuna.exceptions.StorageInternalError,
        sqlalchemy.exc.SQLAlchemyError,
        sqlite3.Error,
    ) as error:
        raise _store_error(where, what, _cause(error)) from error


@contextlib.contextmanager
def _opening(where: StorageUrl) -> Iterator[None]:
    """Besides, what only opening one can meet."""
    what = "open the study"
    try:
        with told(where, what):
            yield
    except StoreError as error:
        if isinstance(error.__cause__, sqlalchemy.exc.NoSuchModuleError):
            raise _no_such_database(where) from error.__cause__
        raise
    except ImportError as error:
        line = str(error.__cause__ or error)
        raise StoreError(f"{where}: its database driver is not installed ({line})") from error
    except (RuntimeError, TypeError) as error:  # another schema; a query that the driver refuses
        raise _store_error(where, what, str(error).strip()) from error


def _store_error(where: StorageUrl, what: str, reason: str) -> StoreError:
    known = trouble_reason(where.file, reason) if where.file is not None else None
    told = known or shorten(where.without_secrets(reason), 300)
    return StoreError(f"{where}: cannot {what}: {told}")


def _no_such_database(where: StorageUrl) -> StoreError:
    name, _, driver = where.url.drivername.partition("+")
    if name in DATABASES:
        return StoreError(f"{where}: {name} has no driver called {shorten(driver)}")
    near = nearest(name, DATABASES)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(DATABASES)}"
    return StoreError(f"{where}: no database is called {shorten(name)}; {hint}")


def open_storage(where: StorageUrl) -> optuna.storages.RDBStorage:
    """The storage, made where it is not there. Raises StoreError."""
    if where.file is not None:
        check_storage(where.file)
    with _opening(where):
        storage = _storage(where.url, {"connect_args": _connect_args(where)})
    if where.is_sqlite:
        sqlalchemy.event.listen(storage.engine, "connect", _pragmas)
        storage.engine.dispose()  # connections from before the listener
    return storage


def open_to_read(where: StorageUrl) -> optuna.storages.RDBStorage | None:
    """The storage, with nothing made and nothing written; None where Optuna never made one."""
    if not where.may_hold_studies():
        return None
    if where.file is not None:
        sqlite_file.check_kind(where.file)
    url = where.url if where.file is None else _read_only_url(where)
    arguments: dict[str, Any] = {"connect_args": _connect_args(where)}
    if where.url.get_backend_name() == "postgresql":
        arguments["execution_options"] = {"postgresql_readonly": True}
    with _opening(where):
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, **arguments)
        with engine.connect() as connection:
            if not _is_complete(connection):
                return None
        return _storage(url, arguments, skip_table_creation=True)


def close_storage(storage: optuna.storages.RDBStorage) -> None:
    """Let go of the database."""
    storage.remove_session()
    storage.engine.dispose()


def _is_complete(connection: sqlalchemy.Connection) -> bool:
    """Whether Optuna's tables are there: its revision is the last thing that it writes."""
    tables = sqlalchemy.inspect(connection)
    if not all(map(tables.has_table, (OPTUNA_TABLE, "alembic_version"))):
        return False
    found = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    return found.first() is not None


def _read_only_url(where: StorageUrl) -> sqlalchemy.URL:
    assert where.file is not None
    log = where.file.with_name(f"{where.file.name}-wal")
    how = {"mode": "ro"} if log.exists() else {"mode": "ro", "immutable": "1"}
    path = urllib.parse.quote(str(where.file.absolute()))
    return where.url.set(database=f"file:{path}").update_query_dict({**how, "uri": "true"})


def _connect_args(where: StorageUrl) -> dict[str, Any]:
    if where.is_sqlite:
        return {"timeout": busy_timeout_s()}
    given = "connect_timeout" in where.url.query
    return {} if given else {"connect_timeout": CONNECT_TIMEOUT_S}


def _storage(
    url: sqlalchemy.URL, engine_kwargs: dict[str, Any], *, skip_table_creation: bool = False
) -> optuna.storages.RDBStorage:
    text = url.render_as_string(hide_password=False)
    return optuna.storages.RDBStorage(
        text.replace("{", "{{").replace("}", "}}"),  # Optuna takes the URL for a template
        engine_kwargs=engine_kwargs,
        skip_table_creation=skip_table_creation,
    )


def _cause(error: Exception) -> str:
    """What the driver says, in a line."""
    cause: BaseException = error
    while isinstance(cause, optuna.exceptions.StorageInternalError) and cause.__cause__:
        cause = cause.__cause__
    if isinstance(cause, sqlalchemy.exc.DBAPIError) and cause.orig is not None:
        cause = cause.orig
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    # psycopg heads the list of what it tried with a line that says nothing.
    first_tried = [line.removeprefix("- ") for line in lines[1:] if line.startswith("- ")]
    return first_tried[0] if first_tried else next(iter(lines), type(cause).__name__)


def _pragmas(connection: Any, _record: object) -> None:
    """A commit is then a write to the log without waiting for the disk: 1 ms for 10."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
