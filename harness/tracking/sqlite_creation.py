"""The SQLite database of a local store, created: whole or not at all.

MLflow creates its schema in place, in some sixty steps without lock or transaction: of eight
processes that start at once seven crash, and a kill in the middle can ruin the file for good. Here
one process, under a file lock, builds the database under a temporary name in the same folder, sets
what MLflow leaves out (WAL, planner statistics, the folder that artifact paths belong to) and
renames it into place. What a killed creation left is removed by the next one.
"""

from __future__ import annotations

import errno
import glob
import importlib
import itertools
import os
import sqlite3
import warnings
from pathlib import Path

import sqlalchemy
from filelock import FileLock, Timeout

from harness.errors import StoreError, escape
from harness.tracking import planner, relocation, trouble
from harness.tracking.inside import require_no_link
from harness.tracking.sqlite_store import connected_with, sqlite_uri
from harness.tracking.told import told

CREATION_TIMEOUT_S = 120
_ATTEMPTS = itertools.count()


def ensure_database(database: Path) -> None:
    """Create the database unless it is there; safe against other processes and kills."""
    if _is_there(database):
        return
    lock = database.with_name(f".{database.name}.lock")
    require_no_link(lock)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=CREATION_TIMEOUT_S):
            if not _is_there(database):
                _create(database)
    except Timeout as error:
        raise StoreError(
            f"{escape(str(database))}: another process has been creating it for "
            f"{CREATION_TIMEOUT_S} s"
        ) from error
    except (OSError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        raise StoreError(_not_created(database, error)) from error


def _not_created(database: Path, error: Exception) -> str:
    first = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
    known = trouble.reason(database, str(error))
    return f"{escape(str(database))}: the store cannot be created: {known or first}"


def _is_there(database: Path) -> bool:
    """Whatever has the name, a link that leads nowhere too: none of it is overwritten."""
    return os.path.lexists(database)


def _create(database: Path) -> None:
    base = database.with_name(f".{database.name}.building")
    # MLflow keeps connections to a file whose creation failed: another file gets another name.
    building = base.with_name(f"{base.name}{next(_ATTEMPTS) or ''}")
    for left in base.parent.glob(f"{glob.escape(base.name)}*"):
        left.unlink()
    try:
        _build_schema(building, database.parent)
        _finish(building, database.parent)
        _set_aside_sidecars(database)
        building.replace(database)
    except Exception as error:
        # MLflow tries again where a step failed, and its last error is another one.
        if trouble.has_no_room(database.parent):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    finally:
        _remove(building)


def _build_schema(building: Path, home: Path) -> None:
    """MLflow's own schema, in a file that nobody else reads: 0.7 s without fsync, 1.1 s with."""
    importlib.import_module("harness.tracking.mlflow_api")  # which has MLflow keep quiet
    uri = sqlite_uri(building)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        pragmas = ("synchronous = OFF", "journal_mode = MEMORY")
        with told(uri, "create the store"), connected_with(building, pragmas):
            SqlAlchemyStore(uri, home.as_uri()).engine.dispose()  # type: ignore[no-untyped-call]


def _finish(building: Path, home: Path) -> None:
    connection = sqlite3.connect(building)
    try:
        planner.plant(connection)
        relocation.write_home(connection, home)
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    with building.open("rb+") as file:
        os.fsync(file.fileno())


def _set_aside_sidecars(database: Path) -> None:
    """A journal without its database would be replayed into the new one; it is kept by name."""
    for suffix in ("-wal", "-journal"):
        sidecar = database.with_name(database.name + suffix)
        if sidecar.exists():
            sidecar.replace(database.with_name(f"{database.name}{suffix}.orphan"))
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)


def _remove(building: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        building.with_name(building.name + suffix).unlink(missing_ok=True)
