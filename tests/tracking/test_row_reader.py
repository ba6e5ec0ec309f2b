"""What rows say of runs and curves is what MLflow's client says."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from harness.spec.metrics import METRICS
from harness.tracking import keys, row_reader
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.read import find_runs, get_run, histories, history
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store, open_store
from harness.tracking.tables import UnreadableTables, snapshot


@pytest.fixture
def through_client(monkeypatch):
    """Calls a reading function as if no tables were in reach."""

    def call(function, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(row_reader, "snapshot", unreadable)
            return function(*args, **kwargs)

    def unreadable(store):
        raise UnreadableTables

    return call


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request, project, run_to_record):
    """Runs in every state, a deleted one, one of another program, and metrics that are odd."""
    kind = request.param
    uri = request.getfixturevalue("postgres").new_database() if kind == "postgresql" else None
    store = open_store(uri)
    recorder = Recorder(store, ensure_mlflow_experiment(store, "sweep"), {"mlflow.user": "someone"})
    dataset = DatasetInput("text", "d" * 36, "text")
    for name, state in (("a", "finished"), ("b/quote=\"'\u00e4\n", "failed"), ("c", "killed")):
        run_id = recorder.begin(run_to_record(name, dataset=dataset, tags={"empty": ""}))
        losses = [(step, 1 / 3**step) for step in range(1, 30)]
        recorder.add_steps(run_id, losses)
        recorder.end(run_id, Outcome(state, metrics={keys.TRAIN_PERPLEXITY: 1.1}, step=29))
    for value in (2.0, 1.0):  # at one instant: of a run that went on where the sums come out others
        store.client.log_metric(run_id, keys.TRAIN_LOSS, value, timestamp=5, step=30)
    running = recorder.begin(run_to_record("d"))
    gone = recorder.begin(run_to_record("gone"))
    store.client.delete_run(gone)
    other = store.client.create_experiment("other")
    store.client.create_run(other, tags={keys.RECORD_VERSION: "1"})
    foreign = store.client.create_run(store.client.get_run(running).info.experiment_id)
    store.client.log_metric(foreign.info.run_id, keys.TRAIN_LOSS, 1.0)
    store.client.log_metric(running, "hand/made", math.inf, step=1)
    return store


def test_runs_read_by_rows_are_those_of_the_client(filled, through_client):
    assert row_reader.read_runs(filled, None, None) is not None
    by_rows, by_client = find_runs(filled), through_client(find_runs, filled)
    assert by_rows == by_client
    assert [run.state for run in by_rows] == ["finished", "failed", "killed", "running"]
    for narrowed in ({"status": "FAILED"}, {"experiment_ids": ["1"]}, {"experiment_ids": []}):
        assert find_runs(filled, **narrowed) == through_client(find_runs, filled, **narrowed)


def test_runs_are_read_without_importing_mlflow(filled):
    code = (
        "import sys; from harness.tracking.read import find_runs; "
        "from harness.tracking.store import open_store; "
        "assert len(find_runs(open_store(sys.argv[1], create=False))) == 4; "
        "assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, filled.uri], check=True)


def test_curves_read_by_rows_are_those_of_the_client(filled, through_client):
    run_ids = [run.run_id for run in find_runs(filled)]
    by_rows = row_reader.read_curves(filled, run_ids, keys.TRAIN_LOSS)
    assert by_rows == through_client(histories, filled, run_ids)
    assert [len(curve) for curve in by_rows.values()] == [29, 29, 30, 0]
    points = row_reader.read_points(filled, run_ids[0])
    assert points[keys.TRAIN_LOSS] == by_rows[run_ids[0]]
    assert points.keys() == {keys.TRAIN_LOSS, keys.TRAIN_PERPLEXITY}


def test_curves_of_more_runs_than_one_statement_reads(filled, monkeypatch):
    run_ids = [run.run_id for run in find_runs(filled)]
    together = row_reader.read_curves(filled, run_ids, keys.TRAIN_LOSS)
    monkeypatch.setattr(row_reader, "RUNS_AT_ONCE", 2)
    assert row_reader.read_curves(filled, run_ids, keys.TRAIN_LOSS) == together


def test_a_finished_chapter_reads_the_same_both_ways(chapter, through_client):
    store = open_store(create=False)
    runs = find_runs(store)
    assert runs == through_client(find_runs, store)
    for run in runs[:10]:
        by_rows = history(store, run.run_id)
        by_client = through_client(history, store, run.run_id)
        assert list(by_rows.items()) == list(by_client.items())
    adamw = next(run for run in runs if run.name == "adamw")
    points = row_reader.read_points(store, adamw.run_id)
    assert set(points) == set(METRICS) - {keys.VAL_LOSS}
    assert all(points[metric] == history(store, adamw.run_id, metric) for metric in points)


def test_of_two_values_at_one_step_the_later_counts_and_nan_stays_nan(filled, through_client):
    run = find_runs(filled)[-1]
    for time, value in ((30, 3.0), (10, 1.0), (20, math.nan)):
        filled.client.log_metric(run.run_id, "x", value, timestamp=time, step=1 + (time == 20))
    for read in (lambda function, *args: function(*args), through_client):
        curve = read(history, filled, run.run_id, "x")
        assert curve[1] == 3.0
        assert math.isnan(curve[2])
        (latest,) = [r.metrics["x"] for r in read(find_runs, filled) if r.run_id == run.run_id]
        assert math.isnan(latest)


def test_tables_that_are_not_as_expected_are_left_to_the_client(filled, monkeypatch):
    runs = find_runs(filled)
    curves = histories(filled, [run.run_id for run in runs])
    for name in ("SELECT_RUNS", "SELECT_POINTS", "SELECT_CURVES"):
        monkeypatch.setattr(row_reader, name, "SELECT nothing_of_the_kind FROM runs ")
    assert row_reader.read_runs(filled, None, None) is None
    assert row_reader.read_run(filled, runs[0].run_id) is None
    assert row_reader.read_curves(filled, ["x"], keys.TRAIN_LOSS) is None
    assert row_reader.read_points(filled, "x") is None
    assert find_runs(filled) == runs
    assert get_run(filled, runs[0].run_id) == runs[0]
    assert histories(filled, [run.run_id for run in runs]) == curves


def test_a_server_has_no_tables_in_reach(store):
    with pytest.raises(UnreadableTables), snapshot(Store("http://127.0.0.1:1", store.state_dir)):
        raise AssertionError("reached")


def test_a_snapshot_cannot_write(filled):
    with pytest.raises(UnreadableTables, match=r"read-?only"), snapshot(filled) as select:
        select("UPDATE runs SET status = 'FAILED'", [])
    assert [run.status for run in find_runs(filled)] == ["FINISHED", "FAILED", "KILLED", "RUNNING"]


def test_a_store_that_was_moved_away_meanwhile_is_not_made_anew_by_reading_it(project):
    store = open_store()
    store.database.rename(project / "moved.db")
    with pytest.raises(UnreadableTables), snapshot(store):
        pass
    assert not store.database.exists()
