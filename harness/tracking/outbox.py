"""Records that wait on the disk for a server that is away, in the order in which they were made.

Each is a file of its own, whole or not at all, whose name is its number; a checkpoint is a folder
beside it. It is removed when it was delivered, so a kill between the two delivers it twice, which a
server takes for once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SUFFIX, PARTIAL, FILES = ".json", ".partial", ".files"


@dataclasses.dataclass(frozen=True)
class Letter:
    """One thing to be done to a run; ``folder`` is what is published with it."""

    run_id: str
    action: str
    arguments: Mapping[str, Any]
    folder: Path | None = None


class Outbox:
    """The letters in a folder, which is there while there are any. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = sorted(path.name for path in folder.glob(f"*{SUFFIX}"))
        self._waiting = [name.removesuffix(SUFFIX) for name in names]
        self._last = int(self._waiting[-1]) if self._waiting else 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, letter: Letter) -> None:
        """Put a letter last, after its folder, so that none is without its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._last += 1
        number = f"{self._last:09d}"
        if letter.folder is not None:
            kept = self.folder / f"{number}{FILES}"
            shutil.rmtree(kept, ignore_errors=True)  # a kill left it without its letter
            letter.folder.rename(kept)
        text = json.dumps([letter.run_id, letter.action, letter.arguments], ensure_ascii=False)
        partial = self.folder / f"{number}{PARTIAL}"
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.folder / f"{number}{SUFFIX}")
        self._waiting.append(number)

    def letters(self) -> Iterator[tuple[str, Letter]]:
        """Every letter with its number, the oldest first; they may be removed meanwhile."""
        for number in list(self._waiting):
            text = (self.folder / f"{number}{SUFFIX}").read_text(encoding="utf-8")
            run_id, action, arguments = json.loads(text)
            files = self.folder / f"{number}{FILES}"
            yield number, Letter(run_id, action, arguments, files if files.is_dir() else None)

    def remove(self, number: str) -> None:
        """Remove a letter, its folder first."""
        shutil.rmtree(self.folder / f"{number}{FILES}", ignore_errors=True)
        (self.folder / f"{number}{SUFFIX}").unlink()
        self._waiting.remove(number)
        if not self._waiting:
            shutil.rmtree(self.folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # others' letters are in it
                self.folder.parent.rmdir()
