"""The same command is called a second time while the first stands before a change of the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fault_cases.creating import DATABASE
from fault_cases.disturbed import Fault, row
from fault_cases.locked import locked
from fault_cases.processes import Ended, folder_in_memory, import_all, run
from fault_cases.rows import Row
from fault_cases.small_sweep import Subject, subjects
from fault_cases.system_calls import Change

MOST = 10


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        known, folder = subjects(home), home / "project"
        yield row("two sweeps at once", Second(), known, "runs", folder, min(tries, MOST))


class Second(Fault):
    """Another call, from its beginning to its end."""

    def __init__(self) -> None:
        self.second: Ended | None = None

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        connection = locked(folder / DATABASE)
        if connection is None:  # it stands in a transaction, for which the second would wait
            return False
        connection.close()
        self.second = run(subject.work, folder)
        return True

    def wrong_end(self, ended: Ended) -> str | None:
        if ended.code != 0 or not ended.is_clear:
            return "the first ended"
        if self.second is None or self.second.code == 0:
            return None
        is_told = self.second.code == 2 and "is in use by" in self.second.output
        if is_told and self.second.is_clear:
            return None
        return f"the second ended with {self.second}; the first"
