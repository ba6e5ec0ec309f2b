"""Files that a command writes where the user says: whole or not at all, folders checked first."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError


def check_folder(flag: str, path: Path | None) -> None:
    """UsageError where the folder of a flag's path is missing: now, not after an hour's work."""
    if path is not None and not path.absolute().parent.is_dir():
        raise UsageError(f"{flag} {path}: there is no folder {path.absolute().parent}")


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
