"""What rows say of runs and curves is what MLflow's client says."""

from __future__ import annotations

import dataclasses
import math
import sqlite3

import pytest

from harness.tracking import keys, row_reader
from harness.tracking.read import find_runs, history
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.store import Store, open_store


def through_client(store: Store) -> Store:
    """The same store as one of another kind, which has no tables to read."""
    return dataclasses.replace(store, database=None)


@pytest.fixture
def filled(store, recorder, run_to_record):
    """Runs in every state, a deleted one, one of another program, and a metric that is NaN."""
    dataset = DatasetInput("text", "d" * 36, "text")
    for name, state in (("a", "finished"), ("b/quote=\"'\u00e4\n", "failed"), ("c", "killed")):
        run_id = recorder.begin(run_to_record(name, dataset=dataset, tags={"empty": ""}))
        losses = [(step, 1 / 3**step) for step in range(1, 30)]
        recorder.add_steps(run_id, losses)
        recorder.end(run_id, Outcome(state, metrics={keys.TRAIN_PERPLEXITY: 1.1}, step=29))
    running = recorder.begin(run_to_record("d"))
    gone = recorder.begin(run_to_record("gone"))
    store.client.delete_run(gone)
    other = store.client.create_experiment("other")
    store.client.create_run(other, tags={keys.RECORD_VERSION: "1"})
    foreign = store.client.create_run(store.client.get_run(running).info.experiment_id)
    store.client.log_metric(foreign.info.run_id, keys.TRAIN_LOSS, 1.0)
    store.client.log_metric(running, "hand/made", math.inf, step=1)
    return store


def test_runs_read_by_rows_are_those_of_the_client(filled):
    by_rows, by_client = find_runs(filled), find_runs(through_client(filled))
    assert by_rows == by_client
    assert [run.state for run in by_rows] == ["finished", "failed", "killed", "running"]
    for narrowed in ({"status": "FAILED"}, {"experiment_ids": ["1"]}, {"experiment_ids": []}):
        assert find_runs(filled, **narrowed) == find_runs(through_client(filled), **narrowed)


def test_a_finished_chapter_reads_the_same_both_ways(chapter):
    store = open_store(create=False)
    runs = find_runs(store)
    assert runs == find_runs(through_client(store))
    for run in runs[:10]:
        by_rows, by_client = (history(s, run.run_id) for s in (store, through_client(store)))
        assert list(by_rows.items()) == list(by_client.items())
    adamw = next(run for run in runs if run.name == "adamw")
    points = row_reader.read_points(store.database, adamw.run_id)
    assert set(points) == set(keys.METRICS) - {keys.VAL_LOSS}
    assert all(points[metric] == history(store, adamw.run_id, metric) for metric in points)


def test_of_two_values_at_one_step_the_later_counts_and_nan_stays_nan(filled):
    run = find_runs(filled)[-1]
    for time, value in ((30, 3.0), (10, 1.0), (20, math.nan)):
        filled.client.log_metric(run.run_id, "x", value, timestamp=time, step=1 + (time == 20))
    for store in (filled, through_client(filled)):
        curve = history(store, run.run_id, "x")
        assert curve[1] == 3.0
        assert math.isnan(curve[2])
        (latest,) = [r.metrics["x"] for r in find_runs(store) if r.run_id == run.run_id]
        assert math.isnan(latest)


def test_tables_that_are_not_as_expected_are_left_to_the_client(filled, tmp_path):
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    assert row_reader.read_runs(empty, None, None) is None
    assert row_reader.read_curves(empty, ["x"], keys.TRAIN_LOSS) is None
    assert row_reader.read_points(empty, "x") is None
    runs = find_runs(filled)
    other = dataclasses.replace(filled, database=empty)
    assert find_runs(other) == runs
    assert history(other, runs[0].run_id) == history(filled, runs[0].run_id)
