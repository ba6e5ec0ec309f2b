"""What SQLite's planner must know so that MLflow's charts stay fast.

MLflow never runs ANALYZE, and without statistics SQLite reads metrics by key alone, that is all
runs' at once: 4.9 s instead of 0.34 s for the chart of 100 runs in a store of 1,000. SQLite lets
the rows of `sqlite_stat1` be written by hand, so a new store gets those of a store of 1,000 runs
with 200 steps, 25 params and 20 tags. They are right about what matters, that a run id selects
more than a metric's key does, at any size.

A quick ANALYZE after a sweep mends the sizes, except those of `metrics`: it reads 400 entries of an
index, which lie within one key there, and takes that key for selective. Measured in the store
above: history of one run 17 ms without statistics, 25 ms after the quick ANALYZE alone, 0.25 ms
with the fixed rows of `metrics` or after a full ANALYZE (which takes 18 s at 10,000 runs).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness.tracking import trouble

# Table, index, and what ANALYZE writes: rows, then rows for one value of each further column.
FIXED_ROWS = (
    ("metrics", "index_metrics_run_uuid", "202000 202"),
    ("metrics", "index_metrics_run_uuid_key_step", "202000 202 68 1"),
    ("metrics", "sqlite_autoindex_metrics_1", "202000 67334 1 1 1 1 1"),
    ("latest_metrics", "index_latest_metrics_run_uuid", "3000 3"),
    ("latest_metrics", "sqlite_autoindex_latest_metrics_1", "3000 1000 1"),
    ("params", "index_params_run_uuid", "25000 25"),
    ("params", "sqlite_autoindex_params_1", "25000 1000 1"),
    ("tags", "index_tags_run_uuid", "20000 20"),
    ("tags", "sqlite_autoindex_tags_1", "20000 1000 1"),
    ("runs", "sqlite_autoindex_runs_1", "1000 1"),
)
ENTRIES_READ = 400

_Row = tuple[str, str, str]


def is_planted(connection: sqlite3.Connection) -> bool:
    """Whether every index that exists has its row."""
    return _table_exists(connection, "sqlite_stat1") and not _missing(connection)


def plant(connection: sqlite3.Connection) -> None:
    """Write the fixed rows for every index that exists and has none; connections opened later
    use them. A schema migration drops rows, so this is asked again whenever a store is opened."""
    if not _table_exists(connection, "sqlite_stat1"):
        # ANALYZE of an empty table makes sqlite_stat1, which CREATE TABLE is not allowed to.
        connection.execute("PRAGMA analysis_limit = 1")
        connection.execute("ANALYZE alembic_version")
    _insert(connection, _missing(connection))


def refresh(database: Path) -> None:
    """Bring the statistics up to what the store holds now (3 ms); raises sqlite3.Error."""
    connection = sqlite3.connect(database, timeout=trouble.busy_timeout_s())
    try:
        connection.execute(f"PRAGMA analysis_limit = {ENTRIES_READ}")
        connection.execute("ANALYZE")
        connection.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'metrics'")
        _insert(connection, _existing(connection, "metrics"))
        plant(connection)
        connection.commit()
    finally:
        connection.close()


def _missing(connection: sqlite3.Connection) -> list[_Row]:
    known = {row[0] for row in connection.execute("SELECT idx FROM sqlite_stat1")}
    return [row for row in _existing(connection) if row[1] not in known]


def _existing(connection: sqlite3.Connection, table: str | None = None) -> list[_Row]:
    """The fixed rows of the indexes that exist, of all tables or of one."""
    query = "SELECT name FROM sqlite_master WHERE type = 'index'"
    indexes = {row[0] for row in connection.execute(query)}
    return [row for row in FIXED_ROWS if row[1] in indexes and table in (None, row[0])]


def _insert(connection: sqlite3.Connection, rows: list[_Row]) -> None:
    connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)


def _table_exists(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    return bool(connection.execute(query, (name,)).fetchone()[0])
