"""Rows written directly are those that MLflow's client writes, and the client does the rest."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StoreError
from harness.tracking import keys, rows
from harness.tracking import recorder as recorder_module
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.read import get_run, history
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder, writer_for
from harness.tracking.rows import RowWriter
from harness.tracking.store import Store, open_store
from harness.tracking.writers import Batch, ClientWriter, Point

ENVIRONMENT = {"harness.host": "here", "mlflow.user": "someone"}
IDENTIFIER = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def stores(project: Path, tmp_path: Path) -> tuple[Store, Store]:
    """Two equal stores in folders of their own."""
    other = tmp_path / "other"
    (other / "mlruns").mkdir(parents=True)
    shutil.copyfile(project / "mlruns" / "mlflow.db", other / "mlruns" / "mlflow.db")
    return open_store(directory=project), open_store(directory=other)


@pytest.fixture
def at_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Time:
        time = staticmethod(lambda: 1_800_000_000.0)
        monotonic = staticmethod(lambda: 1.0)

    monkeypatch.setattr(recorder_module, "time", Time)


def contents(store: Store) -> dict[str, list[Any]]:
    """Every row of every table with its storage types; made-up ids in order of appearance."""
    assert store.database is not None
    connection = sqlite3.connect(store.database)
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    known: dict[str, str] = {}

    def neutral(value: object) -> object:
        if not isinstance(value, str):
            return value
        value = value.replace(str(store.state_dir), "HOME")
        return IDENTIFIER.sub(lambda found: known.setdefault(found[0], f"#{len(known)}"), value)

    found = {}
    for table in ["runs", *(name for (name,) in connection.execute(query) if name != "runs")]:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        types = ", ".join(f"typeof({column})" for column in columns)
        if table == "experiments":
            types = "1"  # creation times differ
            columns = ["name", "artifact_location", "lifecycle_stage"]
        if table == "workspaces" or table == "experiment_tags":
            continue  # not of runs
        quoted = ", ".join(columns)
        selected = connection.execute(f"SELECT {quoted}, {types} FROM {table} ORDER BY rowid")
        found[table] = [tuple(map(neutral, row)) for row in selected]
    connection.close()
    return found


def record_some(recorder: Recorder, run_to_record: Any) -> None:
    """A run that is written in pieces and replays some steps, a second one, one that fails."""
    dataset = DatasetInput("text", "ab" * 32, "inline")
    first = recorder.begin(run_to_record(dataset=dataset, description="a § note"))
    recorder.add_steps(first, [(step, 5.0 / step) for step in range(1, 121)])
    recorder.flush(first)
    recorder.add_steps(first, [(step, 5.0 / step) for step in range(100, 201)])
    metrics = {keys.TRAIN_PERPLEXITY: 1.5, keys.NEXT_TOKEN_ACCURACY: 1.0}
    recorder.end(first, Outcome("finished", metrics, 200, {keys.DETERMINISTIC: "false"}))
    second = recorder.begin(run_to_record("lr/lr=0.1", dataset=dataset))
    recorder.add_points(second, keys.TRAIN_LOSS + keys.LOW, [(1, -0.5)])
    recorder.end(second, Outcome("diverged", tags={keys.DIVERGED_AT: "1"}))
    third = recorder.begin(run_to_record("broken", params={f"p.{n}": "x" * 9 for n in range(120)}))
    recorder.end(third, Outcome("killed"))


def test_all_tables_are_the_same_after_both_ways(stores, at_one_time, run_to_record):
    ours, theirs = stores
    for store, direct in ((ours, True), (theirs, False)):
        experiment = ensure_mlflow_experiment(store, "sweep")
        client = ClientWriter(store, experiment)
        writer = RowWriter(store.database, experiment, Refusing()) if direct else client
        environment = {**ENVIRONMENT, keys.WRITER: "w"}
        recorder = Recorder(store, experiment, environment, writer)
        recorder._environment[keys.WRITER] = "w"  # it names the folder
        record_some(recorder, run_to_record)
    assert contents(ours) == contents(theirs)


def test_what_the_recorder_says_of_a_run_is_what_the_store_says(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record(dataset=DatasetInput("text", "ab" * 32, "inline")))
    recorder.add_steps(run_id, [(1, 5.0), (2, 4.0)])
    said = recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.5}, 2))
    assert said == get_run(store, run_id)
    recorder.resume(run_id)
    assert recorder.end(run_id, Outcome("finished")).metrics == said.metrics


class Refusing:
    """A client that must not be asked."""

    def create(self, *arguments):
        raise AssertionError("the client was asked")

    write = end = create


def test_a_new_store_is_written_directly_and_a_server_never(store):
    assert isinstance(writer_for(store, "1"), RowWriter)
    remote = Store("http://127.0.0.1:1", store.state_dir)
    vars(remote)["client"] = store.client
    assert isinstance(writer_for(remote, "1"), ClientWriter)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE runs ADD COLUMN team TEXT",
        "CREATE INDEX more ON metrics (value)",
        "CREATE TRIGGER t AFTER INSERT ON tags BEGIN SELECT 1; END",
    ],
)
def test_tables_that_are_not_known_to_the_letter_are_left_to_the_client(store, change):
    connection = sqlite3.connect(store.database)
    connection.execute(change)
    connection.close()
    assert isinstance(writer_for(store, "1"), ClientWriter)


def test_another_mlflow_writes_for_itself(store, monkeypatch):
    monkeypatch.setattr(rows.mlflow, "__version__", "4.0.0")
    assert isinstance(writer_for(store, "1"), ClientWriter)


def test_a_key_that_mlflow_might_refuse_is_mlflows_to_judge(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record(tags={"my team": "a"}))
    assert get_run(store, run_id).tags["my team"] == "a"
    with pytest.raises(StoreError, match=r"cannot write the run .*: Invalid value \"a\\\\b\""):
        recorder.add_points(run_id, "a\\b", [(n, 1.0) for n in range(1000)])


def test_a_param_that_would_change_is_refused_and_nothing_of_the_batch_written(
    store, recorder, run_to_record
):
    run_id = recorder.begin(run_to_record())
    recorder.flush(run_id)
    writer = writer_for(store, recorder._experiment_id)
    batch = Batch([Point("m", 1.0, 1, 1)], {"optimizer.lr": "7"}, {"t": "x"})
    with pytest.raises(StoreError, match="Changing param values is not allowed"):
        writer.write(run_id, batch)
    assert history(store, run_id, "m") == {}
    assert "t" not in get_run(store, run_id).tags


def test_a_run_that_was_deleted_is_not_written(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    store.client.delete_run(run_id)
    with pytest.raises(StoreError, match="must be in the 'active' state"):
        recorder.end(run_id, Outcome("finished"))
