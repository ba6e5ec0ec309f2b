"""What a run of 200 steps costs to record, by four ways: `python benchmarks/tracking.py`.

Each way writes the same run (its params, tags, dataset, 200 losses, two metrics at the end) into a
store of its own, in turn, in one process:

    script   MLflow's fluent calls, `log_metric` at every step, as scripts do
    client   the product's recorder through MLflow's client: create_run, log_inputs, log_batch,
             set_terminated
    rows     the recorder as it writes a local store: the same rows, directly
    sqlite3  those rows, ready made, sixteen runs a transaction, and nothing else

The stores are made before, and all but the script's have the product's journal (WAL).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from commands import forget_the_users_store
from figures import Figure, markdown_table, plain_table
from machine import description
from rounds import Pairs, seconds, spread_of

from harness.tracking.environment import environment_tags
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.mlflow_api import mlflow
from harness.tracking.record import DatasetInput, Outcome, RunToRecord
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store, open_store
from harness.tracking.writers import ClientWriter

STEPS = 200
PARAMS = {f"section.setting{n}": str(n) for n in range(25)}
LOSSES = [(step, 1 / step) for step in range(1, STEPS + 1)]
DATASET = DatasetInput("text", "ab" * 18, "text")
ENDING = Outcome("finished", {"train/perplexity": 1.5, "eval/next_token_accuracy": 1.0}, STEPS)
TABLES = ("runs", "tags", "params", "metrics", "latest_metrics", "inputs", "input_tags")
IDS = {"run_uuid", "destination_id"}
TOGETHER = 16
# Runs a round: enough of each to take as long as noise does not.
RUNS = {"script": 2, "client": 8, "rows": 64, "sqlite3": 64}
MOST_OF_SQLITE3, LEAST_OF_CLIENT = 2.0, 15.0


def main() -> None:
    arguments = _arguments()
    forget_the_users_store()
    print(description(), end="\n\n")
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        ways = all_ways(Path(name), RUNS["sqlite3"] * (arguments.rounds + 1))
        taken = {way: [] for way in ways}
        for _ in range(arguments.rounds + 1):
            for way, write in ways.items():
                call = functools.partial(write, RUNS[way])
                taken[way].append(seconds(call) / RUNS[way])
    figures = figures_of({way: times[1:] for way, times in taken.items()})
    print((markdown_table if arguments.markdown else plain_table)(figures))
    raise SystemExit(1 if any(figure.verdict in ("over", "under") for figure in figures) else 0)


def figures_of(taken: dict[str, list[float]]) -> list[Figure]:
    """Milliseconds a run of each way, and the ratios that have limits."""

    def ratio(a: str, b: str) -> Pairs:
        return Pairs(tuple(taken[a]), tuple(taken[b]))

    what = f"a run of {STEPS} steps"
    return [
        *(
            Figure(f"{what}: {way}", spread_of([1000 * s for s in times]), "ms")
            for way, times in taken.items()
        ),
        Figure("rows / sqlite3", ratio("rows", "sqlite3").ratio(), limit=MOST_OF_SQLITE3),
        Figure("client / rows", ratio("client", "rows").ratio(), "", LEAST_OF_CLIENT, True),
        Figure("script / rows", ratio("script", "rows").ratio()),
    ]


def all_ways(folder: Path, num_ready: int) -> dict[str, Callable[[int], None]]:
    """Each way as a function that writes so many new runs."""
    client, rows, raw = (_store(folder / name) for name in ("client", "rows", "sqlite3"))
    numbers = itertools.count()
    through_client = _recorder(client, lambda experiment: ClientWriter(client, experiment))
    as_rows = _recorder(rows)
    return {
        "script": script(folder / "script.db"),
        "client": lambda n: record(through_client, numbers, n),
        "rows": lambda n: record(as_rows, numbers, n),
        "sqlite3": ready_made(raw, num_ready),
    }


def record(recorder: Recorder, numbers: Iterator[int], num_runs: int) -> None:
    """Record so many runs, as a stack of short runs is recorded."""
    with recorder.batched():
        for number in itertools.islice(numbers, num_runs):
            run_id = recorder.begin(_run(number))
            recorder.add_steps(run_id, LOSSES)
            recorder.flush(run_id)  # as before a checkpoint is published
            recorder.end(run_id, ENDING)


def script(database: Path) -> Callable[[int], None]:
    """The fluent calls, on a store with the settings that MLflow gives it."""
    mlflow.set_tracking_uri(f"sqlite:///{database}")
    mlflow.set_experiment("script")

    def write(num_runs: int) -> None:
        for _ in range(num_runs):
            with mlflow.start_run(run_name="run"):
                mlflow.log_params(PARAMS)
                for step, loss in LOSSES:
                    mlflow.log_metric("train/loss", loss, step=step)
                mlflow.log_metrics(dict(ENDING.metrics), step=STEPS)

    return write


def ready_made(store: Store, num_ready: int) -> Callable[[int], None]:
    """The rows of a run that was recorded, under new ids, inserted by sqlite3 alone; those of
    ``num_ready`` runs are made now."""
    assert store.database is not None
    record(_recorder(store), itertools.count(), 1)
    connection = sqlite3.connect(store.database, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    found = {table: _rows(connection, table) for table in TABLES}
    ready = iter(
        [
            [
                (
                    f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})",
                    _new(names, rows, n),
                )
                for table, (names, rows) in found.items()
            ]
            for n in range(num_ready)
        ]
    )

    def write(num_runs: int) -> None:
        for first in range(0, num_runs, TOGETHER):
            connection.execute("BEGIN IMMEDIATE")
            for run in itertools.islice(ready, min(TOGETHER, num_runs - first)):
                for statement, rows in run:
                    connection.executemany(statement, rows)
            connection.execute("COMMIT")

    return write


def _new(names: list[str], rows: list[tuple[object, ...]], number: int) -> list[list[object]]:
    """The rows of a run as those of another."""
    run_id = f"{number:032x}"
    return [[_renamed(n, v, run_id) for n, v in zip(names, row, strict=True)] for row in rows]


def _renamed(column: str, value: object, run_id: str) -> object:
    if column in IDS:
        return run_id
    return f"input{run_id[5:]}" if column == "input_uuid" else value


def _rows(connection: sqlite3.Connection, table: str) -> tuple[list[str], list[tuple[object, ...]]]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    return [column[0] for column in cursor.description], cursor.fetchall()


def _store(folder: Path) -> Store:
    folder.mkdir()
    return open_store(f"sqlite:///{folder / 'mlflow.db'}", folder)


def _recorder(store: Store, writer: Callable[[str], ClientWriter] | None = None) -> Recorder:
    experiment = ensure_mlflow_experiment(store, "sweep")
    return Recorder(store, experiment, environment_tags(), writer(experiment) if writer else None)


def _run(number: int) -> RunToRecord:
    return RunToRecord(
        f"adamw/lr={number}",
        "sweep",
        "adamw",
        fingerprint=f"v1-{number:064x}",
        group=f"g1-{number:064x}",
        engine="stacked",
        params=PARAMS,
        tags={"harness.device": "cpu", "harness.threads": "1"},
        dataset=DATASET,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What it costs to record a run, by four ways.")
    parser.add_argument("--rounds", type=int, default=9, help="timings of each (default 9)")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    return parser.parse_args()


if __name__ == "__main__":
    main()
