"""A store with any number of runs in it, written as rows."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from harness.tracking import keys

RUNS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :num_runs - 1)
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,
    start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
SELECT printf('%032x', i), 'run ' || i, 'UNKNOWN', '', '', 'u', 'FINISHED', i, '', 'active', '', 0
FROM n WHERE i < :num_runs
"""
LOSSES = """
WITH RECURSIVE step(s) AS (SELECT 1 UNION ALL SELECT s + 1 FROM step WHERE s < :num_steps)
INSERT INTO metrics (key, value, timestamp, step, run_uuid, is_nan)
SELECT :metric, 1.0 / s, s, s, run_uuid, 0 FROM runs, step
"""
PERPLEXITIES = """
INSERT INTO metrics (key, value, timestamp, step, run_uuid, is_nan)
SELECT 'train/perplexity', 1.0, :num_steps, :num_steps, run_uuid, 0 FROM runs
"""


def fill(database: Path, num_runs: int, num_steps: int) -> None:
    """Put runs into an empty store, each with a loss of every step and its last perplexity."""
    values = {"num_runs": num_runs, "num_steps": num_steps, "metric": keys.TRAIN_LOSS}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            for statement in (RUNS, LOSSES, PERPLEXITIES):
                connection.execute(statement, values)
