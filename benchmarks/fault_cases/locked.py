"""Another program locks the database before any change of the disk, and keeps it locked.

The product must name who has it locked, after the time that it was told to wait. A script waits as
long; what it had to write is lost, or is written twice by the next call.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fault_cases.disturbed import Fault, row
from fault_cases.processes import Ended, folder_in_memory, import_all
from fault_cases.rows import Row
from fault_cases.small_sweep import WAIT_S, Subject, impatient, subjects
from fault_cases.system_calls import Change
from harness.tracking.trouble import TIMEOUT_VARIABLE

MOST = {("runs", "mlflow.db"): 10, ("search", "optuna.db"): 6}


def rows(tries: int) -> Iterator[Row]:
    import_all()
    os.environ[TIMEOUT_VARIABLE] = str(WAIT_S)
    try:
        with folder_in_memory() as home:
            known = subjects(home, impatient)
            for (name, database), most in MOST.items():
                what = f"{database} locked at any change of the disk"
                fault = Locked(database)
                yield row(what, fault, known, name, home / "project", min(tries, most))
    finally:
        del os.environ[TIMEOUT_VARIABLE]


class Locked(Fault):
    """This process locks a database, as soon as the command itself does not have it locked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connection: sqlite3.Connection | None = None

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        database = folder / "mlruns" / self.name
        if not database.exists():
            return False
        self.connection = locked(database)
        return self.connection is not None

    def mend(self, folder: Path) -> Path:
        self._let_go()
        return folder

    def wrong_end(self, ended: Ended) -> str | None:
        if ended.code == 0 and ended.is_clear:  # it had written all that it had to
            return None
        is_told = f"process {os.getpid()}" in ended.output and "locked" in ended.output
        return None if ended.code == 2 and ended.is_clear and is_told else "it ended"

    def _let_go(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def locked(database: Path) -> sqlite3.Connection | None:
    """A connection that has a database locked, if nobody else has."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=0)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        connection.close()
        return None
    return connection
