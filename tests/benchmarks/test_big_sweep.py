"""The benchmark of ten thousand runs: a whole sweep is watched, and what it left is counted."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COUNT = (
    "import sys; from pathlib import Path; from big_sweep import require_all; "
    "require_all(Path(sys.argv[1]), 1)"
)


def test_two_small_sweeps_are_watched_and_whole() -> None:
    command = [sys.executable, str(BENCHMARKS / "big_sweep.py"), "--runs", "2", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 runs: first process" in done.stdout
    assert "a run more (from 2 to 3)" in done.stdout


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("SELECT 1", None),
        ("DELETE FROM metrics WHERE step = 9", "'losses': 199, 'steps': 199"),
        ("INSERT INTO metrics SELECT * FROM metrics WHERE step = 9", "'losses': 201, 'steps': 200"),
        ("UPDATE runs SET status = 'RUNNING'", "'runs': 0"),
    ],
)
def test_a_loss_or_a_run_that_is_not_there_once_is_noticed(
    tmp_path: Path, change: str, found: str | None
) -> None:
    database = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE runs (run_uuid, status)")
        connection.execute("CREATE TABLE tags (run_uuid, key, value)")
        connection.execute("CREATE TABLE metrics (run_uuid, key, step)")
        connection.execute("INSERT INTO runs VALUES ('a', 'FINISHED'), ('parent', 'FINISHED')")
        connection.execute("INSERT INTO tags VALUES ('a', 'harness.kind', 'run')")
        steps = [("a", "train/loss", step) for step in range(1, 201)]
        connection.executemany("INSERT INTO metrics VALUES (?, ?, ?)", steps)
        connection.execute(change)
    command = [sys.executable, "-c", COUNT, str(database)]
    done = subprocess.run(
        command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == (1 if found else 0), done.stderr
    assert (found or "") in done.stderr
