"""How long it takes to look at a store of many runs: `python benchmarks/reading.py --runs 10000`.

The store is filled in SQL (`filled.py`): runs of 200 steps, five seeds a group. Timed in one
process, after imports: the whole of `harness.compare`, the same at a step with the curves of every
row, and the records that `harness ls` lists.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

from figures import Figure, markdown_table, plain_table
from filled import fill
from machine import description
from rounds import seconds, spread_of

from harness.comparison.compare import comparison
from harness.tracking.read import find_runs
from harness.tracking.store import open_store

LIMITS_S = {1000: 3.0, 10_000: 15.0}
"""Of a comparison, by the number of runs."""


def measure(num_runs: int, rounds: int) -> list[Figure]:
    """Seconds of each way to look at the store of the current directory."""
    store = open_store()
    ways = {
        "compare": comparison,
        "compare at a step, and every curve": lambda: comparison(at=[50]).bands(),
        "all records": lambda: find_runs(store),
    }
    figures = []
    for name, way in ways.items():
        way()  # imports
        limit = LIMITS_S.get(num_runs) if name.startswith("compare") else None
        spread = spread_of([seconds(way) for _ in range(rounds)])
        figures.append(Figure(f"{num_runs:,} runs of 200 steps: {name}", spread, "s", limit))
    return figures


def main() -> None:
    arguments = _arguments()
    print(description(), end="\n\n")
    figures = []
    for num_runs in arguments.runs or sorted(LIMITS_S):
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            fill(Path(name), num_runs)
            figures += measure(num_runs, arguments.rounds)
    print((markdown_table if arguments.markdown else plain_table)(figures))
    raise SystemExit(1 if any(figure.verdict == "over" for figure in figures) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The time to look at a store of many runs.")
    parser.add_argument("--runs", type=int, action="append", help="default 1000 and 10000")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each (default 3)")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    return parser.parse_args()


if __name__ == "__main__":
    main()
