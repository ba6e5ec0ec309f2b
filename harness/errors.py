"""Everything that a user of harness can cause, as one tree of exceptions.

    HarnessError
    ├── SweepFileError        the sweep file (or a --set) is not valid; holds every problem found
    ├── UsageError            a flag, a name or an argument that cannot be meant
    ├── NothingMatched        --only selected no run
    ├── CorpusError           text that cannot be read, or a symbol that the tokenizer lacks
    ├── CheckpointError       a checkpoint that is damaged, missing or of another format
    │   └── DiskRefused       one that cannot be written: the disk is full or read-only
    └── StoreError            the MLflow store cannot be opened, created or written
        ├── StoreInUse        another living process holds it
        └── StoreMissing      nothing was recorded yet, and whoever asks only reads

A mistake of ours is an ``assert`` or an ordinary exception and keeps its traceback.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Sequence


class HarnessError(Exception):
    """Root of everything that the command line reports without a traceback."""


class UsageError(HarnessError):
    """A flag, a name or an argument that cannot be meant; exit code 2."""


class NothingMatched(HarnessError):
    """No run of the file matched; exit code 4."""


class CorpusError(HarnessError):
    """A text that cannot be read or encoded, with the path or the symbol in the message."""


class CheckpointError(HarnessError):
    """A checkpoint file that is damaged, missing or of an unknown format; names the file."""


class DiskRefused(CheckpointError):
    """A checkpoint cannot be written: no fault of the run's, and the next would fail as well."""


class StoreError(HarnessError):
    """The tracking store cannot be opened, created or written."""


class StoreInUse(StoreError):
    """Another living process holds the store; names its pid."""


class StoreMissing(StoreError):
    """There is no store yet, and a command that only reads creates none."""


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a sweep file: where it stands, which key, what is wrong.

    ``line`` and ``column`` count from 1; both are 0 when the mistake is in a ``--set`` or in
    the file as a whole. ``source`` is the line of text that the caret points into.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        head = f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"
        if not self.source:
            return head
        shown, caret = _excerpt(self.source, self.column)
        return f"{head}\n    {shown}\n    {' ' * caret}^"


class SweepFileError(HarnessError):
    """A sweep file that is not valid, with all its problems in the order they stand."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` most likely stands for, or None when none is near.

    >>> nearest("batch_sise", ["batch_size", "seq_len"])
    'batch_size'
    """
    folded = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def escape(text: str) -> str:
    """``text`` with control and unprintable characters shown as escapes, on one line."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text
    )


def shorten(text: str, limit: int = 80) -> str:
    """``text`` escaped, and cut in the middle of nowhere when longer than ``limit`` characters."""
    shown = escape(text[: limit + 1])
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 3] + "..."


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "run"), counted(1200, "run"), counted(2, "search")
    ('1 run', '1,200 runs', '2 searches')
    """
    plural = "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}" + ("" if number == 1 else plural)


def show(value: object) -> str:
    """A value as an error message prints it: as YAML or JSON would write it, at most 80 long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int) and abs(value) >= 10**40:
        return f"a whole number of {_num_digits(value):,} digits"
    if isinstance(value, str):
        return shorten(repr(value))
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        shown = f"a list of {len(value)}" if len(value) > 8 else ", ".join(map(show, value))
        return shown if len(value) > 8 else shorten(f"[{shown}]")
    return shorten(str(value))


def _num_digits(value: int) -> int:
    digits = int(abs(value).bit_length() * math.log10(2))
    return digits + int(abs(value) >= 10**digits)


def _excerpt(source: str, column: int, width: int = 120) -> tuple[str, int]:
    """The part of a source line round ``column``, escaped, and the caret's offset in it."""
    start = max(0, column - 1 - width // 2) if len(source) > width else 0
    before = escape(source[start : column - 1])
    after = escape(source[column - 1 : start + width])
    lead = "..." if start else ""
    tail = "..." if start + width < len(source) else ""
    return f"{lead}{before}{after}{tail}", len(lead) + len(before)
