"""Records that wait on the disk for a server that is away, in the order in which they were made.

Each is a file of its own, whole or not at all, whose name is its number; a checkpoint is a folder
beside it. It is removed when it was delivered, so a kill between the two delivers it twice, which a
server takes for once. A file begins with a line of the SHA-256 of the rest, in hex: what was
changed since is noticed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import StoreError, escape

SUFFIX, PARTIAL, FILES = ".letter", ".partial", ".files"
NUMBER = re.compile(r"[0-9]{9}")  # what has another name is not from here


@dataclasses.dataclass(frozen=True)
class Letter:
    """One thing to be done to a run; ``folder`` is what is published with it."""

    run_id: str
    action: str
    arguments: Mapping[str, Any]
    folder: Path | None = None


class DamagedLetter(StoreError):
    """A letter that is not what was put there; its text names the file."""


class Outbox:
    """The letters in a folder, which is there while there are any. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        numbers = sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))
        self._waiting = list(filter(NUMBER.fullmatch, numbers))
        self._last = int(self._waiting[-1]) if self._waiting else 0
        if not self._waiting:
            self.clear()  # of what a kill left without its letter

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, letter: Letter) -> None:
        """Put a letter last, after its folder, so that none is without its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._last += 1
        number = f"{self._last:09d}"
        if letter.folder is not None:
            kept = self.folder / f"{number}{FILES}"
            shutil.rmtree(kept, ignore_errors=True)  # as above
            letter.folder.rename(kept)
        content = json.dumps([letter.run_id, letter.action, letter.arguments]).encode()
        partial = self.folder / f"{number}{PARTIAL}"
        with partial.open("wb") as file:
            file.write(_checksum(content) + b"\n" + content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.folder / f"{number}{SUFFIX}")
        self._waiting.append(number)

    def letters(self) -> Iterator[tuple[str, Letter]]:
        """Every letter with its number, the oldest first; they may be removed meanwhile. Raises
        DamagedLetter in the place of the first that is."""
        for number in list(self._waiting):
            path = self.folder / f"{number}{SUFFIX}"
            checksum, _, content = path.read_bytes().partition(b"\n")
            if checksum != _checksum(content):
                raise DamagedLetter(f"{escape(str(path))}: damaged: its checksum does not match")
            run_id, action, arguments = json.loads(content)
            files = self.folder / f"{number}{FILES}"
            yield number, Letter(run_id, action, arguments, files if files.is_dir() else None)

    def remove(self, number: str) -> None:
        """Remove a letter, its folder first."""
        shutil.rmtree(self.folder / f"{number}{FILES}", ignore_errors=True)
        (self.folder / f"{number}{SUFFIX}").unlink()
        self._waiting.remove(number)
        if not self._waiting:
            self.clear()

    def clear(self) -> None:
        """Remove all that waits, and the folder."""
        self._waiting = []
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # others' letters are in it
            self.folder.parent.rmdir()


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
