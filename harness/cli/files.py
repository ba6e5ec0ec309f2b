"""Files that a command writes where the user says: whole or not at all, folders checked first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError, escape


def check_folder(flag: str, path: Path | None) -> None:
    """UsageError where the folder of a flag's path is missing: now, not after an hour's work."""
    if path is not None and not path.absolute().parent.is_dir():
        raise UsageError(f"{flag} {path}: there is no folder {path.absolute().parent}")


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it; UsageError where that cannot be."""
    temporary = path.with_name(f".{path.name}.new")
    with writing(path):
        temporary.unlink(missing_ok=True)  # a link there would lead elsewhere
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what keeps a file from being written into a UsageError."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{escape(str(path))}: cannot be written: {error.strerror}") from error
