"""A store of many finished runs, in seconds: one real run, copied row by row in SQL that SQLite and
PostgreSQL both know.

The copies differ in name, learning rate, seed, fingerprint and group, five seeds a group; their
losses are the real run's, a little higher from copy to copy.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import sqlalchemy

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.store import Store, open_store, refresh_statistics

STEPS = 200
SWEEP: dict[str, Any] = {
    "version": 1,
    "name": "filled",
    "experiments": {
        "adamw": {
            "model": {"embed_dim": 4, "num_heads": 1, "num_layers": 1, "max_seq_len": 8},
            "data": {"text": "a b c", "repeat": 8, "tokenizer": "words"},
            "optimizer": {"name": "adamw", "lr": 0.01},
            "train": {"steps": STEPS, "batch_size": 2, "seq_len": 4},
        }
    },
}
COPIES = """
CREATE TEMPORARY TABLE copies AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
    SELECT i, '000000000000000000000000' || (10000000 + i) AS id, run_uuid AS source FROM n, runs
    WHERE run_uuid = '{source}'
"""
COPY = "INSERT INTO {table} SELECT {columns} FROM copies JOIN {table} ON run_uuid = source"
CHANGED = {
    ("runs", "run_uuid"): "id",
    ("runs", "name"): "'adamw/lr=' || (i / 5) || ',seed=' || (i - i / 5 * 5)",
    ("runs", "start_time"): "start_time + i",
    ("metrics", "run_uuid"): "id",
    ("metrics", "value"): "value + i * 1e-6",
    ("latest_metrics", "run_uuid"): "id",
    ("latest_metrics", "value"): "value + i * 1e-6",
    ("params", "run_uuid"): "id",
    ("params", "value"): "CASE key WHEN 'optimizer.lr' THEN '0.' || (1000 + i / 5) "
    "WHEN 'seed.data' THEN CAST(i - i / 5 * 5 AS TEXT) ELSE value END",
    ("tags", "run_uuid"): "id",
    ("tags", "value"): "CASE key WHEN 'mlflow.runName' THEN 'adamw/lr=' || (i / 5) || ',seed=' || "
    "(i - i / 5 * 5) WHEN 'harness.fingerprint' THEN 'v1-' || id "
    "WHEN 'harness.group' THEN 'g1-' || (i / 5) "
    "ELSE value END",
}


def fill(folder: Path, num_runs: int, tracking_uri: str | None = None) -> Store:
    """Make a store, by default that of `folder`, hold the real run and `num_runs` copies of it."""
    path = folder / "sweep.yaml"
    path.write_text(json.dumps(SWEEP))
    with contextlib.chdir(folder):
        (run,) = run_sweep(load_sweep(path), tracking_uri=tracking_uri).runs
        store = open_store(tracking_uri)
    engine = sqlalchemy.create_engine(store.uri, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(COPIES.format(count=num_runs, source=run.run_id))
        for table in dict.fromkeys(table for table, _ in CHANGED):
            columns = _selected(connection, table)
            connection.exec_driver_sql(COPY.format(table=table, columns=columns))
    if not store.is_local:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    refresh_statistics(store)
    return store


def _selected(connection: sqlalchemy.Connection, table: str) -> str:
    """The columns of a table, with what differs between copies in its place."""
    names = [column["name"] for column in sqlalchemy.inspect(connection).get_columns(table)]
    return ", ".join(CHANGED.get((table, name), name) for name in names)
