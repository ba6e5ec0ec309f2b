"""How long it takes to look at a store of many runs: `python benchmarks/reading.py --runs 10000`.

The store is filled in SQL (`filled.py`): runs of 200 steps, five seeds a group. In one process,
after imports: the whole of `harness.compare`, the same at a step with the curves of every row, and
the records that `harness ls` lists. As processes: `harness ls` and, beside those runs, a sweep of
500 of its own that is finished, run again, and its report. Through MLflow's server: what its page
asks for to draw the losses of 100 runs. `--store postgresql+psycopg://...` fills an empty database
instead.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from commands import forget_the_users_store, harness
from figures import Figure, markdown_table, plain_table
from filled import SWEEP, fill
from machine import description
from rounds import seconds, spread_of

from harness.comparison.compare import comparison
from harness.tracking.read import find_runs
from harness.tracking.server import free_port, server_url, ui_command, wait_until_ready
from harness.tracking.store import Store

COMPARE_S = {1000: 3.0, 10_000: 15.0}
"""Limits of a comparison, by the number of runs."""
LS_S, CHART_S, FINISHED_S, REPORT_S = 2.0, 1.0, 6.0, 10.0
CHARTED, FINISHED = 100, 500


def measure(store: Store, num_runs: int, rounds: int) -> list[Figure]:
    """Seconds of each way to look at the store, for which the current directory is there."""
    compare_s = COMPARE_S.get(num_runs)
    num_charted = min(CHARTED, num_runs)
    with chart_of(store, num_charted) as chart:
        ways: dict[str, tuple[Callable[[], object], float | None]] = {
            "compare": (lambda: comparison(tracking_uri=store.uri), compare_s),
            "compare at a step, and every curve": (
                lambda: comparison(at=[50], tracking_uri=store.uri).bands(),
                compare_s,
            ),
            "all records": (lambda: find_runs(store), None),
            "`harness ls`": (command(store, "ls"), LS_S),
            f"MLflow's chart of {num_charted} runs": (chart, CHART_S),
            f"`harness run` of {FINISHED} finished runs": (finished_sweep(store), FINISHED_S),
            "`harness report` of those": (
                command(store, "report", "finished.json", "--no-log"),
                REPORT_S,
            ),
        }
        figures = []
        for name, (way, limit) in ways.items():
            way()  # imports
            spread = spread_of([seconds(way) for _ in range(rounds)])
            figures.append(Figure(f"{num_runs:,} runs of 200 steps: {name}", spread, "s", limit))
    return figures


def command(store: Store, *arguments: str) -> Callable[[], None]:
    """A call of the command on the store."""
    return lambda: harness([*arguments, "--tracking-uri", store.uri], Path.cwd())


def finished_sweep(store: Store) -> Callable[[], None]:
    """Trains a sweep of 500 runs in the store; the call that finds it finished."""
    sweep = copy.deepcopy(SWEEP)
    sweep["name"] = "finished"
    sweep["experiments"]["adamw"]["matrix"] = {
        "optimizer.lr": [0.001 + 0.0001 * i for i in range(FINISHED // 5)],
        "seed.data": list(range(5)),
    }
    Path("finished.json").write_text(json.dumps(sweep))
    run = command(store, "run", "finished.json")
    run()
    return run


@contextlib.contextmanager
def chart_of(store: Store, num_runs: int) -> Iterator[Callable[[], None]]:
    """MLflow's server on the store; the request with which its page draws the losses of runs."""
    port = free_port(0)
    called, environment = ui_command(store, port)
    url = server_url(store, port)
    query = [("run_ids", run.run_id) for run in find_runs(store)[:num_runs]]
    query += [("metric_key", "train/loss"), ("max_results", "320")]
    address = f"{url}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    server = subprocess.Popen(
        called, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def chart() -> None:
        with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}") as answer:
            points = json.load(answer)["metrics"]
        assert len(points) >= num_runs * SWEEP["experiments"]["adamw"]["train"]["steps"]

    try:
        wait_until_ready(url, 120, server)
        yield chart
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    arguments = _arguments()
    forget_the_users_store()
    print(description(), end="\n\n")
    figures = []
    for num_runs in arguments.runs or sorted(COMPARE_S):
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            store = fill(Path(name), num_runs, arguments.store)
            figures += measure(store, num_runs, arguments.rounds)
    print((markdown_table if arguments.markdown else plain_table)(figures))
    raise SystemExit(1 if any(figure.verdict == "over" for figure in figures) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The time to look at a store of many runs.")
    parser.add_argument("--runs", type=int, action="append", help="default 1000 and 10000")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each (default 3)")
    parser.add_argument(
        "--store", help="an empty database, for one --runs; default: a new SQLite file"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    arguments = parser.parse_args()
    if arguments.store and len(arguments.runs or ()) != 1:
        parser.error("--store takes one --runs: a database is filled once")
    return arguments


if __name__ == "__main__":
    main()
