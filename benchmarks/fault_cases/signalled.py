"""SIGTERM in each phase: at the start, while planning, training, publishing, recording, ending."""

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

MOST, MOST_OF_A_SEARCH = 16, 8


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        known = subjects(home)
        for name, most in (("runs", MOST), ("search", MOST_OF_A_SEARCH)):
            what = f"SIGTERM at any change of the disk, {name}"
            yield row(what, Terminated(), known, name, home / "project", min(tries, most))


class Terminated(Fault):
    """Asked to stop."""

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        os.kill(change.process, signal.SIGTERM)
        return True

    def wrong_end(self, ended: Ended) -> str | None:
        if ended.code not in (0, 143, -signal.SIGTERM) or not ended.is_clear:
            return "it ended"
        if ended.code == 143 and "stopped by SIGTERM" not in ended.output:
            return "it did not say why"
        return None
