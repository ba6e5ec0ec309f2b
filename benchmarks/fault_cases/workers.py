"""One of two worker processes is killed before any of its own changes of the disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from fault_cases.disturbed import Fault, row
from fault_cases.processes import Ended, folder_in_memory, import_all
from fault_cases.rows import Row
from fault_cases.small_sweep import Subject, subjects
from fault_cases.system_calls import Change

MOST = 4  # workers are new processes, which import torch


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        what = "a worker of two is killed"
        folder = home / "project"
        yield row(what, Dying(), subjects(home), "jobs", folder, min(tries, MOST))


class Dying(Fault):
    """A worker dies; what started it does not."""

    def counts(self, change: Change) -> bool:
        return change.process != change.leader

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        if not self.counts(change):
            return False
        os.kill(change.process, signal.SIGKILL)
        return True

    def wrong_end(self, ended: Ended) -> str | None:
        is_told = "died (signal SIGKILL)" in ended.output
        return None if ended.code == 1 and ended.is_clear and is_told else "it ended"
