"""The schema of MLflow's that is known; to the letter, where rows are read and written.

What MLflow's client writes into tables of this schema is another question: see `canary`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path

import sqlalchemy

from harness.tracking import trouble

TABLES = (
    "runs",
    "tags",
    "params",
    "metrics",
    "latest_metrics",
    "datasets",
    "inputs",
    "input_tags",
)
KNOWN_REVISION = "dc11669786a5"
KNOWN_SCHEMA = "fd52d9c5f65ac61d7de33eaa8ed50999"  # of the tables above
KNOWN_NAMES = "2fd2127977e1b88d5177666cc7172ec9"  # of all tables


def is_known(database: Path) -> bool:
    """Whether the SQL of the tables is the one that the rows were compared under, and no other
    table is missing, or there beside them (1 ms)."""
    timeout_s = trouble.busy_timeout_s()
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=timeout_s)) as connection:
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return (
                revision == (KNOWN_REVISION,)
                and digest(connection) == KNOWN_SCHEMA
                and _names(connection) == KNOWN_NAMES
            )
    except sqlite3.Error:
        return False


def is_known_elsewhere(connection: sqlalchemy.Connection) -> bool:
    """Whether a database that is no SQLite file is at the known revision of MLflow's."""
    try:
        revisions = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
    except sqlalchemy.exc.DBAPIError:
        return False
    return [tuple(row) for row in revisions] == [(KNOWN_REVISION,)]


def digest(connection: sqlite3.Connection) -> str:
    """A digest of the SQL of the eight tables, their indexes and triggers (1 ms).

    Lines are sorted: MLflow's migrations put constraints in an order that changes by the process.
    """
    places = ", ".join("?" * len(TABLES))
    query = f"SELECT name, sql FROM sqlite_master WHERE tbl_name IN ({places}) ORDER BY type, name"
    parts = []
    for name, sql in connection.execute(query, TABLES):
        lines = sorted(line.strip().rstrip(",") for line in (sql or "").splitlines())
        parts.append("\n".join([name, *lines]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _names(connection: sqlite3.Connection) -> str:
    """A digest of the names of all tables, but SQLite's own."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    names = sorted(row[0] for row in connection.execute(query))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]
