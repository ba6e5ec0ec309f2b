"""One sweep at a time on a store: a lock that dies with the process that holds it.

Two sweeps that write to one store at once would train the same runs twice, and each would take
the other's unfinished runs for dead. The lock is the kernel's (flock, through filelock): it is
freed at a `kill -9` too, so there is never a stale one to remove. Who holds it is written beside
it for the error message alone. All processes of this host that use one SQLite store meet at one
lock, whatever their directory; for a server, all those of one directory do.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock, Timeout

from harness.errors import StoreError, StoreInUse, escape
from harness.tracking import trouble
from harness.tracking.inside import require_inside, require_no_link

STATE_FOLDER = ".state"
NEW_HOLDER = ".holder.new"
DEFAULT_DATABASE = "mlflow.db"


@contextlib.contextmanager
def hold(state_dir: Path, uri: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the store at `uri` for one sweep; with `wait`, wait until it is free.

    Raises StoreInUse, with the holder's pid, when another process has it, and StoreError when
    the lock's folder cannot be written.
    """
    path = lock_path(state_dir, uri)
    require_inside(path.parent, path.parent.parent)
    for file in (path, path.with_suffix(NEW_HOLDER)):
        require_no_link(file)  # opening a lock empties the file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(blocking=wait)
    except Timeout as error:
        raise StoreInUse(_in_use_by(path)) from error
    except OSError as error:
        raise _not_made(path, error) from error
    try:
        _write_holder(path)
        yield
    finally:
        _holder_path(path).unlink(missing_ok=True)
        lock.release()


def lock_path(state_dir: Path, uri: str) -> Path:
    """Where the lock of the store at `uri` lies; `sweep.lock` for the default store."""
    digest = hashlib.sha256(uri.encode()).hexdigest()[:8]
    if uri.startswith("sqlite:///"):
        database = Path(unquote(uri.removeprefix("sqlite:///")))
        if database == state_dir / DEFAULT_DATABASE:
            return state_dir / STATE_FOLDER / "sweep.lock"
        if database.parent.is_dir():
            return database.parent / STATE_FOLDER / f"sweep-{digest}.lock"
    return state_dir / STATE_FOLDER / f"sweep-{digest}.lock"


def _holder_path(lock: Path) -> Path:
    return lock.with_suffix(".holder.json")


def _write_holder(lock: Path) -> None:
    started = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    temporary = lock.with_suffix(NEW_HOLDER)
    try:
        temporary.write_text(json.dumps({"pid": os.getpid(), "started": started}))
        temporary.replace(_holder_path(lock))
    except OSError as error:
        raise _not_made(lock, error) from error


def _not_made(lock: Path, error: OSError) -> StoreError:
    why = trouble.reason(lock, str(error)) or error.strerror
    return StoreError(f"{escape(str(lock))}: the sweep lock cannot be made: {why}")


def _in_use_by(lock: Path) -> str:
    """The message for a second taker; the holder's file may be missing for an instant."""
    try:
        holder = json.loads(_holder_path(lock).read_text())
        who = f"by process {holder['pid']}, since {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "by another process"
    store = lock.parent.parent
    return f"{store}: this store is in use {who}; wait until it ends (--wait does), or stop it"
