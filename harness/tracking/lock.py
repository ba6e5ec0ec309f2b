"""One sweep at a time on a store: a lock that dies with the process that holds it.

Two sweeps that write to one store at once would train the same runs twice, and each would take
the other's unfinished runs for dead. The lock is the kernel's (flock, through filelock): it is
freed at a `kill -9` too, so there is never a stale one to remove. All processes of this host that
use one SQLite store meet at one lock, whatever their directory; for a server, all those of one
directory do, and `lease` keeps hosts apart. Who holds it is written beside it; the time of that
file is the holder's heartbeat. On a disk that hosts share without sharing locks, the heart of
another host's process that still beats keeps the store as a lock would.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock, Timeout

from harness.errors import StoreError, StoreInUse, escape
from harness.tracking import trouble
from harness.tracking.heartbeat import heartbeat
from harness.tracking.holder import EXPIRES_S, INTERVAL_S, Holder
from harness.tracking.inside import require_inside, require_no_link

STATE_FOLDER = ".state"
NEW_HOLDER = ".holder.new"
DEFAULT_DATABASE = "mlflow.db"
POLL_S = 1.0
WHAT_TO_DO = "wait until it ends (--wait does), or stop it"


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
        _acquire(lock, path, wait=wait)
    except OSError as error:
        raise _not_made(path, error) from error
    try:
        _write_holder(path)
        with heartbeat(functools.partial(_beat, path), INTERVAL_S):
            yield
    finally:
        _holder_path(path).unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, path: Path, *, wait: bool) -> None:
    """Take the kernel's lock, where no process of another host holds the store."""
    while True:
        try:
            lock.acquire(blocking=wait)
        except Timeout as error:
            raise StoreInUse(_in_use_by(path)) from error
        holder = _holder(path)
        elsewhere = holder is not None and not holder.shares_kernel
        if not elsewhere or _silent_s(path) > EXPIRES_S:
            return
        message = _in_use_by(path)
        lock.release()
        if not wait:
            raise StoreInUse(message)
        time.sleep(POLL_S)


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
    temporary = lock.with_suffix(NEW_HOLDER)
    try:
        temporary.write_text(Holder.this().to_json())
        temporary.replace(_holder_path(lock))
    except OSError as error:
        raise _not_made(lock, error) from error


def _beat(lock: Path) -> None:
    with contextlib.suppress(OSError):  # a full disk is for the sweep to meet, and to tell
        os.utime(_holder_path(lock))


def _holder(lock: Path) -> Holder | None:
    try:
        return Holder.read(_holder_path(lock).read_text())
    except (OSError, ValueError):
        return None


def _silent_s(lock: Path) -> float:
    """Seconds since the holder's last sign of life, by the clock of the disk that both write to."""
    try:
        os.utime(lock)
        return lock.stat().st_mtime - _holder_path(lock).stat().st_mtime
    except OSError:
        return math.inf


def _not_made(lock: Path, error: OSError) -> StoreError:
    why = trouble.reason(lock, str(error)) or error.strerror
    return StoreError(f"{escape(str(lock))}: the sweep lock cannot be made: {why}")


def _in_use_by(lock: Path) -> str:
    """The message for a second taker; the holder's file may be missing for an instant."""
    holder = _holder(lock)
    who = holder.describe(_silent_s(lock)) if holder else "another process"
    return f"{lock.parent.parent}: this store is in use by {who}; {WHAT_TO_DO}"
