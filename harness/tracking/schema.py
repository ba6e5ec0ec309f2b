"""The tables of MLflow's that are read and written by rows, known to the letter."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path

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
KNOWN_SCHEMA = "fd52d9c5f65ac61d7de33eaa8ed50999"  # MLflow's revision dc11669786a5


def is_known(database: Path) -> bool:
    """Whether the SQL of the tables is the one that the rows were compared under (1 ms)."""
    timeout_s = trouble.busy_timeout_s()
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=timeout_s)) as connection:
            return digest(connection) == KNOWN_SCHEMA
    except sqlite3.Error:
        return False


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
