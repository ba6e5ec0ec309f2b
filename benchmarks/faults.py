"""Every fault that we know how to inject, and how it ends: `python benchmarks/faults.py`.

A row is a fault, on the product and on a control: what scripts do today, which lacks the
protection. The product must end well every time (with a clear message or made whole by the next
call) and the control must not, or the fault shows nothing; else the command ends with 1. A fault
about which nothing is promised is shown all the same, without a verdict.

Each case is a module of `fault_cases` with `rows(tries)`. Linux only: kills are placed by ptrace,
small disks are mounted (by root alone).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time

from commands import forget_the_users_store
from fault_cases.rows import HEADER, Row
from figures import in_line, in_markdown
from machine import description

TRIES = 60

CASES = {
    "saving": "kills while a checkpoint is saved, replaced, published, removed",
    "creating": "kills while the store is created (a minute)",
    "tables": "kills while tables are written",
    "damaged_files": "bits flipped and ends cut off, in every file that is read back",
    "damaged_databases": "the same in mlflow.db and optuna.db, and pages overwritten",
    "damaged_code": "the same in the stacked engine's machine code",
    "damaged_resumes": "a sweep that was killed, and its newest checkpoint damaged",
    "disk_full": "a disk that fills up (root only)",
    "locked": "a database that another program locks",
    "at_once": "two sweeps at once",
    "signalled": "SIGTERM in every phase",
    "workers": "a worker process that is killed",
    "moved": "a project's folder that is moved",
}
SHOWN_FAILURES = 5


def main() -> None:
    arguments = _arguments()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    forget_the_users_store()
    print(description(), end="\n\n")
    rows: list[Row] = []
    for name in arguments.only or CASES:
        began = time.monotonic()
        print(f"{name}: {CASES[name]} ...", file=sys.stderr, end=" ", flush=True)
        rows += importlib.import_module(f"fault_cases.{name}").rows(arguments.tries)
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    table = [HEADER, *(row.cells() for row in rows)]
    print((in_markdown if arguments.markdown else in_line)(table))
    for row in rows:
        for failure in row.product.failures[:SHOWN_FAILURES] if row.is_promised else ():
            print(f"{row.fault}: {failure}", file=sys.stderr)
    raise SystemExit(1 if any(row.is_wrong for row in rows) else 0)


def _arguments() -> argparse.Namespace:
    cases = "\n".join(f"  {name:18} {text}" for name, text in CASES.items())
    parser = argparse.ArgumentParser(
        description="Inject faults into the product and into a control, and count what ends well.",
        epilog=f"cases:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tries",
        type=int,
        default=TRIES,
        help=f"of each row at most, evenly, and fewer where one takes long (default {TRIES})",
    )
    parser.add_argument(
        "--only", action="append", choices=CASES, metavar="CASE", help="one case; repeatable"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    return parser.parse_args()


if __name__ == "__main__":
    main()
