"""One instant of a store's tables, for reading: of a SQLite file, or of a PostgreSQL database.

MLflow keeps the same tables in both. A server's are out of reach, and those of other databases are
left to MLflow's client.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy

from harness.tracking import sqlite_file
from harness.tracking.store import Store

Select = Callable[[str, Sequence[object]], Iterable[Sequence[Any]]]
"""Runs one statement, with `?` where its values go and `{object}` for the function that packs keys
and values into one JSON text."""


class UnreadableTables(Exception):
    """The store has no tables that can be reached, or they are not as expected."""


@contextlib.contextmanager
def snapshot(store: Store) -> Iterator[Select]:
    """A transaction in which all statements see the same instant and none can write.

    Raises UnreadableTables, also for whatever the database reports while it is read.
    """
    try:
        if store.database is not None:
            with _sqlite(store.database) as select:
                yield select
        elif store.uri.startswith("postgres"):
            with _postgresql(store.uri) as select:
                yield select
        else:
            raise UnreadableTables(store.uri)
    except (sqlite3.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        raise UnreadableTables(str(error)) from error


@contextlib.contextmanager
def _sqlite(database: Path) -> Iterator[Select]:
    with contextlib.closing(sqlite_file.connect_to_read(database)) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        yield lambda statement, values: connection.execute(
            statement.format(object="json_group_object"), values
        )


@contextlib.contextmanager
def _postgresql(uri: str) -> Iterator[Select]:
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield lambda statement, values: connection.exec_driver_sql(
            statement.format(object="json_object_agg").replace("?", "%s"), tuple(values)
        )
