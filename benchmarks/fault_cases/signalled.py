"""SIGTERM in each phase: at the start, while planning, training, publishing, recording, ending."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from fault_cases.disturbed import Fault, each_disturbed
from fault_cases.processes import Ended, folder_in_memory
from fault_cases.rows import Row
from fault_cases.small_sweep import subjects
from fault_cases.system_calls import Change

MOST, MOST_OF_A_SEARCH = 16, 8


def rows(tries: int) -> Iterator[Row]:
    with folder_in_memory() as home:
        known = subjects(home)
        for name, control, most in (
            ("runs", "script", MOST),
            ("search", "search script", MOST_OF_A_SEARCH),
        ):
            tallies = [
                each_disturbed(
                    known[subject], Terminated(), home / "p", min(tries, most), is_control=subject != name
                )
                for subject in (name, control)
            ]
            yield Row(f"SIGTERM, {name}", tallies[0], "a script", tallies[1])


class Terminated(Fault):
    """Asked to stop."""

    def strike(self, change: Change, folder: Path) -> bool:
        os.kill(change.process, signal.SIGTERM)
        return True

    def wrong_end(self, ended: Ended) -> str | None:
        if ended.code not in (0, 143, -signal.SIGTERM) or not ended.is_clear:
            return "it ended"
        if ended.code == 143 and "stopped by SIGTERM" not in ended.output:
            return "it did not say why"
        return None
