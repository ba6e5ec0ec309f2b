"""The project's folder is moved: after a sweep was killed, or when it was done.

The next call must go on there, MLflow must find the checkpoints there, and nothing may be written
to where the folder was.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fault_cases.creating import DATABASE
from fault_cases.disturbed import Fault, row
from fault_cases.processes import Ended, Failed, asked, folder_in_memory, import_all
from fault_cases.rows import Row, fewer
from fault_cases.small_sweep import Subject, subjects
from fault_cases.system_calls import Change
from harness.tracking.mlflow_api import MlflowClient

COST = 12


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        known, folder = subjects(home), home / "project"
        yield row("killed, and moved", Moved(kills=True), known, "runs", folder, fewer(tries, COST))
        yield row("moved when it was done", Moved(kills=False), known, "runs", folder, 1)


class Moved(Fault):
    """The folder gets another name after the command has ended."""

    def __init__(self, *, kills: bool) -> None:
        self.kills = kills

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        return True

    def mend(self, folder: Path) -> Path:
        moved = folder.with_name("moved elsewhere")
        shutil.rmtree(moved, ignore_errors=True)
        return folder.rename(moved)

    def wrong_end(self, ended: Ended) -> str | None:
        return None if ended.is_clear else "it ended"

    def wrong_left(self, folder: Path) -> str | None:
        if folder.with_name("project").exists():
            return "something was written to where it was"
        try:
            listed = asked(lambda: _artifacts(folder))
        except Failed as failed:
            return f"MLflow lists nothing: {failed}"
        missing = [run_id for run_id, names in listed.items() if not names]
        return f"MLflow finds no checkpoint of {missing}" if missing else None


def _artifacts(folder: Path) -> dict[str, list[str]]:
    """What MLflow lists of every run, by its id."""
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as connection:
        ids = [row[0] for row in connection.execute("SELECT run_uuid FROM runs")]
    client = MlflowClient(f"sqlite:///{folder / DATABASE}")
    return {each: [file.path for file in client.list_artifacts(each)] for each in ids}
