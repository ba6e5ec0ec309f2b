"""What stands behind an error of SQLite or of the disk, and what the user can do about it.

SQLite says `database is locked`, `disk I/O error` or `unable to open database file`; who has it
locked, how much room is left and whether the disk is read-only, the system knows. A database that
is locked is waited for, 30 s unless the environment says otherwise in `HARNESS_BUSY_TIMEOUT_S`.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import StoreError, escape, shorten, show

TIMEOUT_VARIABLE = "HARNESS_BUSY_TIMEOUT_S"
DEFAULT_TIMEOUT_S = 30.0
MAX_TIMEOUT_S = 86_400.0
LITTLE_BYTES = 256 * 1024  # with less, an error of the disk is taken for a want of room
MAX_NAMED = 5

_LOCKED = ("database is locked", "database table is locked", "database schema is locked")
_FULL = ("database or disk is full", "No space left on device", "Disk quota exceeded")
_READ_ONLY = ("readonly database", "Read-only file system")
_DAMAGED = ("malformed", "not a database")
_DISK = ("disk I/O error", "unable to open database file")


def busy_timeout_s() -> float:
    """How long a locked database is waited for, in seconds."""
    return seconds_from(TIMEOUT_VARIABLE, DEFAULT_TIMEOUT_S)


def seconds_from(variable: str, default: float) -> float:
    """A time that a variable of the environment may set; StoreError where it is none."""
    text = os.environ.get(variable, "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_TIMEOUT_S:
        raise StoreError(
            f"{variable}: must be a number of seconds from 0 to {MAX_TIMEOUT_S:,.0f}, "
            f"got {show(text)}"
        )
    return seconds


def reason(database: Path, message: str) -> str | None:
    """What an error of `database` means and what to do; None for an error of another kind."""
    if any(sign in message for sign in _LOCKED):
        return _locked(database)
    folder = _existing(database.parent)
    on_disk = any(sign in message for sign in _DISK)
    if any(sign in message for sign in _FULL) or (on_disk and has_no_room(folder)):
        return full(folder)
    if any(sign in message for sign in _READ_ONLY) or (on_disk and _is_read_only(folder)):
        return (
            f"{_read_only_part(folder)} is read-only; make it writable, work in a copy "
            "of the folder, or name another store with --tracking-uri"
        )
    if any(sign in message for sign in _DAMAGED):
        return damaged(message)
    return None


def has_no_room(folder: Path) -> bool:
    """Whether so little is left on a disk that it stands behind an error."""
    return _room(folder) < LITTLE_BYTES


def full(folder: Path) -> str:
    """The sentence for a disk without room."""
    free = _room(_existing(folder)) / 1e6
    return (
        f"no room is left on the disk of {escape(str(folder))} ({free:.1f} MB free); make room and "
        "type the same command again: what is recorded is kept, and only the rest is done"
    )


def damaged(message: str) -> str:
    """The sentence for a file that is no database, or one with wrong pages."""
    found = shorten(message.strip().partition("\n")[0], 120)
    return (
        f"the file is not a readable SQLite database ({found}); it was left as it is: put a copy "
        "back in its place, move it away, or name another store"
    )


def openers(path: Path) -> list[str]:
    """The other processes that have a file open, as `process 123 (python)`; Linux alone tells."""
    found = []
    try:
        wanted = path.stat()
        processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    except OSError:
        return []
    for pid in sorted(processes):
        if pid != os.getpid() and _has_open(pid, (wanted.st_dev, wanted.st_ino)):
            found.append(f"process {pid}{_called(pid)}")
    return found


def _locked(database: Path) -> str:
    waited = f"another program has had it locked for {busy_timeout_s():g} s"
    who = openers(database)
    if not who:
        return f"{waited}; close that program, or wait until it is done, and run again"
    named = ", ".join(who[:MAX_NAMED]) + (", ..." if len(who) > MAX_NAMED else "")
    have = "has" if len(who) == 1 else "have"
    return f"{waited}; {named} {have} it open: stop it, or wait until it is done, and run again"


def _has_open(pid: int, wanted: tuple[int, int]) -> bool:
    try:
        for opened in Path(f"/proc/{pid}/fd").iterdir():
            found = opened.stat()
            if (found.st_dev, found.st_ino) == wanted:
                return True
    except OSError:  # it has ended, or is another user's
        return False
    return False


def _called(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""
    return f" ({escape(name)})"


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def _room(folder: Path) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _is_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY) or not os.access(path, os.W_OK)
    except OSError:
        return False


def _read_only_part(folder: Path) -> str:
    """The folder where nothing can be written, else the file alone."""
    return f"the folder {escape(str(folder))}" if _is_read_only(folder) else "the file"
