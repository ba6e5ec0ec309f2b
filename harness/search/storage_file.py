"""The SQLite file of a study, looked at before Optuna opens it.

Optuna adds its tables to whatever SQLite file it is given. So a file that is there must be a sound
database of Optuna's, and one that is not there is made in the project alone: a sweep file from
elsewhere creates nothing outside the folder that it is run in.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
from pathlib import Path

from harness.errors import StoreError, escape
from harness.tracking import sqlite_file, trouble
from harness.tracking.sqlite_store import sqlite_uri
from harness.tracking.store import STORE_FOLDER

OPTUNA_TABLE = "version_info"


def check_storage(database: Path) -> None:
    """Raise StoreError unless `database` may be opened by Optuna; makes its folder."""
    if os.path.lexists(database):
        sqlite_file.check(database)
        _check_tables(database)
        return
    project = Path.cwd().resolve()
    roots = (project, (project / STORE_FOLDER).resolve())  # which may be a link
    if not any(database.resolve().is_relative_to(root) for root in roots):
        url = escape(shlex.quote(sqlite_uri(database.absolute())))
        raise StoreError(
            f"{escape(str(database))}: storage: is outside {escape(str(project))}, where nothing "
            f"is made; make it first: optuna create-study --storage {url}"
        )
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = trouble.reason(database, str(error)) or error.strerror
        raise StoreError(f"{escape(str(database))}: cannot make the folder: {why}") from error


def wait_until_free(database: Path) -> None:
    """Wait for other writers once; Optuna itself begins a trial in five attempts, each of which
    waits as long. Raises sqlite3.Error."""
    timeout = trouble.busy_timeout_s()
    with contextlib.closing(
        sqlite3.connect(database, timeout=timeout, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _check_tables(database: Path) -> None:
    tables = sqlite_file.tables(database)
    if tables and OPTUNA_TABLE not in tables:
        raise StoreError(
            f"{escape(str(database))}: is another program's database, without a study of Optuna's; "
            "name another file as the storage"
        )
