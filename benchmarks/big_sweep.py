"""Ten thousand runs in one sweep: `python benchmarks/big_sweep.py`; some two minutes.

A whole `harness run` of so many learning rates, its output in a pipe, at two sizes: what each of
its processes holds in memory is read five times a second. Memory is bounded where the second size
takes hardly more than the first: a worker's not at all, the first process's by what it must know of
a run. Afterwards the store is counted: every run finished, every step there, and once.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from chapter import chapter_run
from commands import environment
from figures import Figure, markdown_table, plain_table
from machine import description
from rounds import spread_of
from sweep import FEW, write_sweep

SIZES = (1_000, 10_000)
INTERVAL_S = 0.2
MB = 2**20
# Limits: of each process in MB, of what a run adds to the first process in kB, of the lines.
FIRST_MB, WORKER_MB, RUN_KB, LINES_PER_MINUTE, OTHER_LINES = 600.0, 600.0, 20.0, 12, 60
COUNTS = {
    "runs": "SELECT count(*) FROM runs WHERE status = 'FINISHED' AND run_uuid IN "
    "(SELECT run_uuid FROM tags WHERE key = 'harness.kind' AND value = 'run')",
    "losses": "SELECT count(*) FROM metrics WHERE key = 'train/loss'",
    "steps": "SELECT count(*) FROM (SELECT DISTINCT run_uuid, step FROM metrics "
    "WHERE key = 'train/loss')",
}


@dataclasses.dataclass(frozen=True)
class Taken:
    """What a sweep took: seconds, the peaks of memory in MB, and lines of output."""

    seconds: float
    first_mb: float
    worker_mb: float
    num_lines: int


def main() -> None:
    arguments = _arguments()
    print(description(), end="\n\n")
    small, large = arguments.runs
    taken = {}
    for num_runs in (FEW, small, large):  # the first compiles the engine where that was never done
        print(f"{num_runs:,} runs ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as name:
            taken[num_runs] = sweep_of(num_runs, Path(name))
    figures = [figure for size in (small, large) for figure in figures_of(size, taken[size])]
    grown_kb = (taken[large].first_mb - taken[small].first_mb) * MB / 1000 / (large - small)
    what = f"first process, a run more (from {small:,} to {large:,})"
    figures.append(Figure(what, spread_of([grown_kb]), "kB", RUN_KB))
    print((markdown_table if arguments.markdown else plain_table)(figures))


def figures_of(num_runs: int, taken: Taken) -> list[Figure]:
    """The rows of one size."""
    most_lines = OTHER_LINES + LINES_PER_MINUTE * taken.seconds / 60
    rows: list[tuple[str, float, str, float | None]] = [
        ("harness run", taken.seconds, "s", None),
        ("first process", taken.first_mb, "MB", FIRST_MB),
        ("a worker", taken.worker_mb, "MB", WORKER_MB),
        ("lines in a pipe", taken.num_lines, "", most_lines),
    ]
    return [
        Figure(f"{num_runs:,} runs: {what}", spread_of([value]), unit, limit)
        for what, value, unit, limit in rows
        if value  # a small sweep has no workers
    ]


def sweep_of(num_runs: int, directory: Path) -> Taken:
    """Run the sweep there, watch it, and count what it left; SystemExit where that is not all."""
    write_sweep(directory, num_runs)
    output = directory / "output.txt"
    began = time.perf_counter()
    with output.open("w") as out:
        command = [Path(sys.executable).with_name("harness"), "run", "sweep.yaml"]
        process = subprocess.Popen(
            command, cwd=directory, env=environment(), stdout=out, stderr=subprocess.STDOUT
        )
        first, worker = _watched(process)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"harness run ended with {process.returncode}:\n{output.read_text()}")
    require_all(directory / "mlruns" / "mlflow.db", num_runs)
    return Taken(seconds, first, worker, len(output.read_text().splitlines()))


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """The most that the process held until its end, and the most that one of its workers held."""
    watched = psutil.Process(process.pid)
    first = worker = 0.0
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ended just now
            first = max(first, watched.memory_info().rss / MB)
            for child in watched.children(recursive=True):
                worker = max(worker, child.memory_info().rss / MB)
        time.sleep(INTERVAL_S)
    return first, worker


def require_all(database: Path, num_runs: int) -> None:
    """SystemExit unless every run is finished, and each of its losses there once."""
    steps = num_runs * chapter_run().config.train.steps
    expected = {"runs": num_runs, "losses": steps, "steps": steps}
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = {name: connection.execute(sql).fetchone()[0] for name, sql in COUNTS.items()}
    if found != expected:
        raise SystemExit(f"the store holds {found}, must hold {expected}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Print what a sweep of very many runs takes: seconds, memory, lines."
    )
    parser.add_argument(
        "--runs",
        nargs=2,
        type=int,
        default=SIZES,
        metavar=("SMALL", "LARGE"),
        help=f"the two sizes (default {' '.join(map(str, SIZES))})",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
