"""The same runs through MLflow's client and as rows: nothing that reads them can tell which."""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import sqlite3
from typing import Any

import pytest

from harness.tracking import keys
from harness.tracking import recorder as recorder_module
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.rows import RowWriter
from harness.tracking.schema import TABLES
from harness.tracking.store import Store, open_store
from harness.tracking.writers import ClientWriter

ENVIRONMENT = {"harness.host": "here", "mlflow.user": "someone"}
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
FILTERS = [
    "",
    "attributes.status = 'FINISHED'",
    "attributes.run_name LIKE 'lr%'",
    "metrics.`train/loss` < 0.05",
    "metrics.`train/loss` >= 0.025",
    "metrics.`train/perplexity` = 1.5",
    "params.`optimizer.lr` = '0.01'",
    "params.`p.7` LIKE 'x%'",
    "tags.`harness.state` != 'finished'",
    "tags.`harness.kind` = 'run'",
    "tags.`mlflow.parentRunId` LIKE '%'",
    "tags.empty = ''",
    "datasets.name = 'text'",
    "attributes.start_time > 0",
]
ORDERS = [
    "attributes.start_time ASC",
    "attributes.end_time DESC",
    "metrics.`train/loss` ASC",
    "metrics.`train/perplexity` DESC",
    "params.`optimizer.lr` ASC",
    "tags.`harness.state` ASC",
]


class Refusing:
    """A client that must not be asked."""

    def create(self, *arguments):
        raise AssertionError("the client was asked")

    write = end = create


def nasty_runs(recorder: Recorder, run_to_record: Any) -> None:
    """In pieces and with replayed steps; without a history, and with a long one; in every state."""
    dataset = DatasetInput("text", "ab" * 32, "inline")
    first = recorder.begin(run_to_record(dataset=dataset, description="a \u00a7 note"))
    recorder.add_steps(first, [(step, 5.0 / step) for step in range(1, 121)])
    recorder.flush(first)
    recorder.add_steps(first, [(step, 5.0 / step) for step in range(100, 201)])
    metrics = {keys.TRAIN_PERPLEXITY: 1.5, keys.NEXT_TOKEN_ACCURACY: 1.0}
    recorder.end(first, Outcome("finished", metrics, 200, {keys.DETERMINISTIC: "false"}))

    second = recorder.begin(run_to_record("lr/lr=0.1", dataset=dataset, parent_run_id=first))
    recorder.add_points(second, keys.VAL_LOSS, [(0, 1.0), (-3, 2.0), (2**40, 3.0), (7, -0.0)])
    recorder.add_points(second, keys.TRAIN_LOSS + keys.LOW, [(1, -0.5), (1, -0.5), (1, 4.0)])
    recorder.add_steps(second, [(1, math.nan), (2, math.inf), (3, -math.inf), (4, 1e308)])
    recorder.end(second, Outcome("diverged", tags={keys.DIVERGED_AT: "1"}))

    many = {f"p.{n}": "x" * 9 for n in range(120)}
    third = recorder.begin(run_to_record("broken", params={**many, "long": "y" * 7000}))
    recorder.end(third, Outcome("killed"))

    odd = DatasetInput("n" * 600, "cd" * 32, "file:///a/b c.txt")
    fourth = recorder.begin(
        run_to_record(
            "\u00e4/\u4e2d 'quote' \"two\" %_\\ \n",
            dataset=odd,
            tags={"empty": "", "long": "z" * 9000},
            params={"none": "", "optimizer.lr": "1e-05"},
        )
    )
    recorder.add_steps(fourth, [(step, 1.0 / step) for step in range(1, 3001)])
    recorder.end(fourth, Outcome("pruned", step=3000))
    fifth = recorder.begin(run_to_record("last", tags={"mlflow.user": "another"}))
    recorder.add_params(fifth, {"known.late": "7"})
    recorder.add_steps(fifth, [(1, 0.5), (2, 0.5), (3, 0.5)])
    recorder.end(fifth, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1e-300}, 3))
    recorder.begin(run_to_record("running"))
    recorder.add_alias(first, "another sweep", "its run")
    recorder.set_tag(second, keys.EXPECT, "failed")


@pytest.fixture(params=["one by one", "together"])
def stores(request, project, tmp_path, run_to_record, monkeypatch) -> tuple[Store, Store]:
    """Two stores that hold the same runs: written as rows, and by MLflow's client."""

    class Time:
        time = staticmethod(lambda: 1_800_000_000.0)
        monotonic = staticmethod(lambda: 1.0)

    monkeypatch.setattr(recorder_module, "time", Time)
    other = tmp_path / "other"
    (other / "mlruns").mkdir(parents=True)
    shutil.copyfile(project / "mlruns" / "mlflow.db", other / "mlruns" / "mlflow.db")
    both = open_store(directory=project), open_store(directory=other)
    for store, direct in zip(both, (True, False), strict=True):
        experiment = ensure_mlflow_experiment(store, "sweep")
        client = ClientWriter(store, experiment)
        writer = RowWriter(store.database, experiment, Refusing()) if direct else client
        recorder = Recorder(store, experiment, ENVIRONMENT, writer)
        recorder._environment[keys.WRITER] = "w"  # it names the folder
        if request.param == "together":
            with recorder.batched():
                nasty_runs(recorder, run_to_record)
        else:
            nasty_runs(recorder, run_to_record)
    return both


class Neutral:
    """What a store says, with made-up ids in order of appearance and its folder as HOME."""

    def __init__(self, store: Store) -> None:
        self.home, self.known = str(store.state_dir), {}

    def __call__(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        value = value.replace(self.home, "HOME")
        return IDENTIFIER.sub(
            lambda found: self.known.setdefault(found[0], f"#{len(self.known)}"), value
        )


def contents(store: Store) -> dict[str, list[Any]]:
    """Every row of every table with its storage types; runs come first, and so do their ids."""
    neutral = Neutral(store)
    connection = sqlite3.connect(store.database)
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    names = [name for (name,) in connection.execute(query) if not name.startswith("sqlite_")]
    found = {}
    for table in ["runs", *(name for name in names if name != "runs")]:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        types = ", ".join(f"typeof({column})" for column in columns)
        if table == "experiments":
            types = "1"  # creation times differ
            columns = ["name", "artifact_location", "lifecycle_stage"]
        if table in ("workspaces", "experiment_tags"):
            continue  # not of runs
        quoted = ", ".join(columns)
        selected = connection.execute(f"SELECT {quoted}, {types} FROM {table} ORDER BY rowid")
        found[table] = [tuple(map(neutral, row)) for row in selected]
    connection.close()
    return found


def test_all_tables_are_the_same(stores):
    ours, theirs = map(contents, stores)
    assert ours == theirs
    assert len(ours["metrics"]) > 3000
    assert all(ours[table] for table in TABLES)


def test_a_change_of_any_column_of_any_table_is_noticed(stores):
    """The negative control of the comparison."""
    ours, theirs = stores
    expected = contents(theirs)
    tried = []
    with contextlib.closing(sqlite3.connect(ours.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for table in TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            (last,) = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()
            for column in columns:
                where = f"WHERE rowid = {last}"
                (value,) = connection.execute(f"SELECT {column} FROM {table} {where}").fetchone()
                other = 1 if value is None else value + ("x" if isinstance(value, str) else 1)
                connection.execute(f"UPDATE {table} SET {column} = ? {where}", [other])
                if contents(ours) == expected:
                    tried.append(f"{table}.{column} is not noticed")
                connection.execute(f"UPDATE {table} SET {column} = ? {where}", [value])
                tried.append(f"{table}.{column}")
    assert [text for text in tried if text.endswith("noticed")] == []
    assert len(tried) > 40
    assert contents(ours) == expected


def read_through_client(store: Store) -> list[Any]:
    """Every run field by field, its history, and what filters and orders answer."""
    neutral, client = Neutral(store), store.client
    experiment = client.get_experiment_by_name("sweep").experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    said = []
    for run in runs:
        told = run.to_dictionary()
        told["inputs"] = [
            (i.dataset.to_dictionary(), [(tag.key, tag.value) for tag in i.tags])
            for i in run.inputs.dataset_inputs
        ]
        said.append(_neutral_all(neutral, told))
        for metric in sorted(run.data.metrics):
            points = client.get_metric_history(run.info.run_id, metric)
            said.append([metric, [(p.step, p.value, p.timestamp) for p in points]])
    for text in FILTERS:
        for order in ORDERS:
            found = client.search_runs([experiment], text, order_by=[order])
            said.append([text, order, [neutral(run.info.run_id) for run in found]])
    return said


def _neutral_all(neutral: Neutral, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _neutral_all(neutral, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_neutral_all(neutral, item) for item in value]
    return neutral(value)


def test_the_client_says_the_same_of_each_run_and_for_every_filter_and_order(stores):
    ours, theirs = map(read_through_client, stores)
    assert ours == theirs
    found = [names for text, _, names in ours[-len(FILTERS) * len(ORDERS) :] if text]
    assert sum(map(bool, found)) >= len(found) - len(ORDERS)  # the filters find something


@pytest.mark.filterwarnings("ignore:starlette")
def test_mlflows_pages_are_answered_the_same(stores, monkeypatch):
    from mlflow.server import app, handlers
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    answers = []
    for store in stores:
        opened = SqlAlchemyStore(store.uri, store.state_dir.as_uri())
        monkeypatch.setattr(handlers, "_get_tracking_store", lambda *_, opened=opened: opened)
        neutral, page = Neutral(store), app.test_client()
        found = page.post(
            "/ajax-api/2.0/mlflow/runs/search",
            json={"experiment_ids": ["1"], "order_by": ["attributes.start_time ASC"]},
        ).get_json()
        ids = [run["info"]["run_id"] for run in found["runs"]]
        query = "&".join(f"run_ids={run_id}" for run_id in ids)
        chart = page.get(
            "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?"
            f"{query}&metric_key=train/loss&max_results=320"
        ).get_json()
        one = page.get(f"/ajax-api/2.0/mlflow/runs/get?run_id={ids[0]}").get_json()
        answers.append(_neutral_all(neutral, [found, chart, one]))
    assert answers[0] == answers[1]
    assert len(answers[0][0]["runs"]) == 6
    assert len(answers[0][1]["metrics"]) > 500
