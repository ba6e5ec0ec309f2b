"""MLflow's own chart query in a store of 10,000 runs, with the planner's statistics and without."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from large_store import fill

from harness.tracking import keys
from harness.tracking.store import Store, refresh_statistics

NUM_RUNS, NUM_STEPS = 10_000, 10
CHARTED = [f"{number:032x}" for number in range(0, NUM_RUNS, NUM_RUNS // 100)]


@pytest.fixture
def large(store: Store) -> Store:
    fill(store.database, NUM_RUNS, NUM_STEPS)
    return store


@contextlib.contextmanager
def statements(engine: sqlalchemy.Engine) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """What is asked of `metrics` meanwhile."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    def hear(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if "FROM metrics" in statement:
            asked.append((statement, parameters))

    sqlalchemy.event.listen(engine, "before_cursor_execute", hear)
    yield asked
    sqlalchemy.event.remove(engine, "before_cursor_execute", hear)


def chart(store: Store) -> tuple[float, list[tuple[str, tuple[Any, ...]]]]:
    """MLflow's answer to what its page asks for a chart of 100 runs: seconds of this process's CPU,
    and the statements."""
    mlflow_store = store.client._tracking_client.store
    with statements(mlflow_store.engine) as asked:
        began = time.process_time()
        points = mlflow_store.get_metric_history_bulk_interval(
            CHARTED, keys.TRAIN_LOSS, 320, None, None
        )
        taken_s = time.process_time() - began
    assert len(points) == len(CHARTED) * NUM_STEPS
    return taken_s, asked


def asked_again(store: Store, asked: list[tuple[str, tuple[Any, ...]]]) -> tuple[float, set[str]]:
    """CPU seconds of SQLite alone, in a new connection, and how it reads `metrics`."""
    with contextlib.closing(sqlite3.connect(store.database)) as connection:
        plans = {
            step[3]
            for query in dict(asked).items()
            for step in connection.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])
            if " metrics " in step[3]
        }
        began = time.process_time()
        for query, values in asked:
            connection.execute(query, values).fetchall()
        return time.process_time() - began, plans


def test_the_charts_of_a_large_store_are_read_by_run_with_the_statistics_alone(large):
    taken_s, asked = min(chart(large) for _ in range(2))
    assert taken_s < 1
    planted_s, planted = asked_again(large, asked)
    refresh_statistics(large)  # as after every sweep
    refreshed_s, refreshed = asked_again(large, asked)
    assert planted == refreshed != set()
    assert all("(run_uuid=? AND key=?)" in plan for plan in planted)
    with contextlib.closing(sqlite3.connect(large.database)) as connection:
        connection.execute("DELETE FROM sqlite_stat1")
        connection.commit()
    few = asked[:: len(asked) // 10]
    without_s, without = asked_again(large, few)
    assert without
    assert all("(key=?)" in plan for plan in without)
    each_s = max(planted_s, refreshed_s) / len(asked)
    print(
        f"MLflow {taken_s:.2f} s; SQLite {1e3 * each_s:.2f} ms a statement with statistics, "
        f"{1e3 * without_s / len(few):.2f} without"
    )
    assert each_s < without_s / len(few) / 10
