"""The SQLite database of a local store, looked at before use; without MLflow where that will do.

An existing file is never overwritten, and its schema is never migrated without being asked: MLflow
would do so by itself when tables are missing. WAL with synchronous=NORMAL may lose the last commits
when the power fails, never at a kill; a run of 200 steps costs 32 ms so, 57 ms with the defaults.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy

from harness.errors import StoreError, escape
from harness.tracking import planner, relocation, schema, sqlite_file, trouble


def sqlite_uri(database: Path) -> str:
    """The tracking URI of a database file, with what a URI cannot hold escaped."""
    url = sqlalchemy.URL.create("sqlite", database=str(database))
    return url.render_as_string(hide_password=False)


def busy_timeout_pragma() -> str:
    """How long a connection waits for others, as SQLite takes it."""
    return f"busy_timeout = {round(trouble.busy_timeout_s() * 1000)}"


def look(database: Path) -> bool:
    """Whether the tables are as we know them; where they are not, MLflow has to look at them.

    Raises StoreError for what is no store of MLflow's, or cannot be read.
    """
    sqlite_file.check(database)
    if "alembic_version" not in sqlite_file.tables(database):
        shown = escape(str(database))
        raise StoreError(f"{shown}: is a SQLite database, but not a store of MLflow")
    return schema.is_known(database)


def follow_move(database: Path) -> None:
    """Mend the artifact paths of a store that lies in another folder than before."""
    try:
        with contextlib.closing(connect(database)) as connection:
            if relocation.has_moved(connection, database.parent):
                # Begun so, it waits for other writers; after a read it would not.
                connection.execute("BEGIN IMMEDIATE")
                relocation.mend(connection, database.parent)
                connection.commit()
    except sqlite3.Error as error:
        raise sqlite_file.unusable(database, error) from error


def ensure_statistics(database: Path) -> bool:
    """Give SQLite's planner what a store of others lacks, and a migration drops; whether it did."""
    try:
        with contextlib.closing(connect(database)) as connection:
            if planner.is_planted(connection):
                return False
            connection.execute("BEGIN IMMEDIATE")
            planner.plant(connection)
            connection.commit()
            return True
    except sqlite3.Error as error:
        raise sqlite_file.unusable(database, error) from error


def connect(database: Path) -> sqlite3.Connection:
    """A connection that waits for others; transactions are begun by hand."""
    return sqlite3.connect(database, timeout=trouble.busy_timeout_s(), isolation_level=None)


def set_on_connect(database: str, pragmas: tuple[str, ...]) -> Callable[[object, object], None]:
    """A listener for new connections; those to other databases (Optuna's) are left alone."""

    def on_connect(connection: object, _record: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        row = connection.execute("PRAGMA database_list").fetchone()
        if row[2] and Path(row[2]) == Path(database):
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

    return on_connect


@contextlib.contextmanager
def connected_with(database: Path, pragmas: tuple[str, ...]) -> Iterator[None]:
    """A block in which new connections to `database` are opened with `pragmas`."""
    listener = set_on_connect(str(database), pragmas)
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", listener)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", listener)
