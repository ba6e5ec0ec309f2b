"""The disk is full before any change of it: a file system of 40 MB, which only root can mount."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from fault_cases.disturbed import CONTROLS, Fault, row
from fault_cases.processes import Ended, folder_in_memory, import_all
from fault_cases.rows import Row, Tally
from fault_cases.small_sweep import Subject, subjects
from fault_cases.system_calls import Change

MOST = {"runs": 12, "search": 6}
SIZE = "40m"
TOLD = ("no room is left on the disk", "No space left on device")


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home, _mounted(home / "disk") as disk:
        known = subjects(home)
        for name, most in MOST.items():
            what = f"disk full at any change of it, {name}"
            if disk is None:
                yield Row(what, Tally(), CONTROLS[name][1], Tally())
            else:
                yield row(what, Full(disk), known, name, disk / "project", min(tries, most))


class Full(Fault):
    """No room is left, until room is made again."""

    def __init__(self, disk: Path) -> None:
        self.filler = disk / "filler"

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        with self.filler.open("ab", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass
        return True

    def mend(self, folder: Path) -> Path:
        self.filler.unlink(missing_ok=True)
        return folder

    def wrong_end(self, ended: Ended) -> str | None:
        if ended.code == 0 and ended.is_clear:  # what was left to write fitted into pages it had
            return None
        is_told = any(text in ended.output for text in TOLD)
        return None if ended.code == 2 and ended.is_clear and is_told else "it ended"


@contextlib.contextmanager
def _mounted(folder: Path) -> Iterator[Path | None]:
    """A small file system of its own; None where nothing can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
