"""A store of many finished runs, in seconds: one real run, copied row by row in SQL.

The copies differ in name, learning rate, seed, fingerprint and group, five seeds a group; their
losses are the real run's, a little higher from copy to copy.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.store import open_store, refresh_statistics

SEEDS = 5
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
COPY = """
CREATE TEMP TABLE copies AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
    SELECT i, printf('%032x', i) AS id, run_uuid AS source FROM n, runs;
INSERT INTO runs SELECT {runs} FROM copies JOIN runs ON run_uuid = source;
INSERT INTO metrics SELECT {metrics} FROM copies JOIN metrics ON run_uuid = source;
INSERT INTO latest_metrics SELECT {latest_metrics} FROM copies
    JOIN latest_metrics ON run_uuid = source;
INSERT INTO params SELECT {params} FROM copies JOIN params ON run_uuid = source;
INSERT INTO tags SELECT {tags} FROM copies JOIN tags ON run_uuid = source;
"""
CHANGED = {
    ("runs", "run_uuid"): "id",
    ("runs", "name"): "'adamw/lr=' || (i / 5) || ',seed=' || (i % 5)",
    ("runs", "start_time"): "start_time + i",
    ("metrics", "run_uuid"): "id",
    ("metrics", "value"): "value + i * 1e-6",
    ("latest_metrics", "run_uuid"): "id",
    ("latest_metrics", "value"): "value + i * 1e-6",
    ("params", "run_uuid"): "id",
    ("params", "value"): "CASE key WHEN 'optimizer.lr' THEN '0.' || (1000 + i / 5) "
    "WHEN 'seed.data' THEN i % 5 ELSE value END",
    ("tags", "run_uuid"): "id",
    ("tags", "value"): "CASE key WHEN 'mlflow.runName' THEN 'adamw/lr=' || (i / 5) || ',seed=' || "
    "(i % 5) WHEN 'harness.fingerprint' THEN 'v1-' || id "
    "WHEN 'harness.group' THEN 'g1-' || (i / 5) "
    "ELSE value END",
}


def fill(folder: Path, num_runs: int) -> Path:
    """Make the default store of `folder` hold the real run and `num_runs` copies; its database."""
    path = folder / "sweep.yaml"
    path.write_text(json.dumps(SWEEP))
    with contextlib.chdir(folder):
        run_sweep(load_sweep(path))
        store = open_store()
    assert store.database is not None
    with contextlib.closing(sqlite3.connect(store.database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        columns = {table: _selected(connection, table) for table in _tables()}
        connection.executescript(f"BEGIN; {COPY.format(count=num_runs, **columns)} COMMIT;")
    refresh_statistics(store)
    return store.database


def _tables() -> list[str]:
    return list(dict.fromkeys(table for table, _ in CHANGED))


def _selected(connection: sqlite3.Connection, table: str) -> str:
    """The columns of a table, with what differs between copies in its place."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    return ", ".join(CHANGED.get((table, name), name) for name in names)
