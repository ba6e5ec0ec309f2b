"""The same command is called a second time while the first stands before a change of the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fault_cases.disturbed import Fault, row
from fault_cases.processes import Ended, folder_in_memory, import_all, run
from fault_cases.rows import Row
from fault_cases.small_sweep import WAIT_S, Subject, subjects
from fault_cases.system_calls import Change
from harness.tracking.trouble import TIMEOUT_VARIABLE

MOST = 10


def rows(tries: int) -> Iterator[Row]:
    import_all()
    os.environ[TIMEOUT_VARIABLE] = str(WAIT_S)  # for a first that stands still in a transaction
    try:
        with folder_in_memory() as home:
            known = subjects(home)
            what = "two sweeps at once"
            yield row(what, Second(), known, "runs", home / "project", min(tries, MOST))
    finally:
        del os.environ[TIMEOUT_VARIABLE]


class Second(Fault):
    """Another call, from its beginning to its end."""

    def __init__(self) -> None:
        self.second: Ended | None = None

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        self.second = run(subject.work, folder)
        return True

    def wrong_end(self, ended: Ended) -> str | None:
        assert self.second is not None
        if ended.code != 0 or not ended.is_clear:
            return "the first ended"
        is_told = any(text in self.second.output for text in ("is in use by", "locked"))
        if self.second.code == 0 or (self.second.code == 2 and is_told and self.second.is_clear):
            return None
        return f"the second ended with {self.second}; the first"
