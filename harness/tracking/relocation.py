"""Artifact paths that follow a store's folder when it is moved or copied.

MLflow keeps the place of every run's artifacts as an absolute path, so after a project folder was
moved its artifact lists are empty, with no error, and a copy would write into the original. The
folder that the paths were written for is kept in the store, as a tag of MLflow's "Default"
experiment; when the store is opened elsewhere, that prefix is rewritten in one transaction.
Only paths under the old folder change: artifacts kept elsewhere stay where they are.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness.tracking import keys

DEFAULT_EXPERIMENT_ID = 0
# Every column of MLflow 3.17 that holds the place of a run's artifacts.
PATH_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def write_home(connection: sqlite3.Connection, folder: Path) -> None:
    """Record that the store's artifact paths belong to `folder`."""
    connection.execute(
        "INSERT OR REPLACE INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?)",
        (DEFAULT_EXPERIMENT_ID, keys.HOME, folder.as_uri()),
    )


def has_moved(connection: sqlite3.Connection, folder: Path) -> bool:
    """Whether the paths of a store that now lies in `folder` were written for another.

    A store without a recorded folder was not made by us and is left alone.
    """
    old = _home(connection)
    return old is not None and old != folder.as_uri()


def mend(connection: sqlite3.Connection, folder: Path) -> None:
    """Rewrite the paths of a store that now lies in `folder`, if it has moved; the caller
    commits."""
    old = _home(connection)
    new = folder.as_uri()
    if old is None or old == new:
        return
    for table, column in PATH_COLUMNS:
        if _has_column(connection, table, column):
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE substr({column}, 1, ?) = ?",
                (f"{new}/", len(old) + 2, len(old) + 1, f"{old}/"),
            )
    write_home(connection, folder)


def _home(connection: sqlite3.Connection) -> str | None:
    query = "SELECT value FROM experiment_tags WHERE experiment_id = ? AND key = ?"
    row = connection.execute(query, (DEFAULT_EXPERIMENT_ID, keys.HOME)).fetchone()
    return str(row[0]) if row else None


def _has_column(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))
