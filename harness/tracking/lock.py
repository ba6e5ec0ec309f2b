"""One sweep at a time on a store: a lock that dies with the process that holds it.

Two sweeps that write to one store at once would train the same runs twice, and each would take
the other's unfinished runs for dead. The lock is the kernel's (flock, through filelock): it is
freed at a `kill -9` too, so there is never a stale one to remove, and on one host it alone decides.
All processes of this host that use one SQLite store meet at one lock, whatever their directory; for
a server, all those of one directory do (and see `sweep_lease`).

Who holds it is written beside it, with a heartbeat: for the error message, and because a network
disk may not share its locks between hosts. There a holder of another host is heeded while it lives.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock, Timeout

from harness.errors import StoreError, StoreInUse, escape
from harness.tracking import trouble
from harness.tracking.holder import MAX_TEXT, Holder
from harness.tracking.inside import require_inside, require_no_link
from harness.tracking.lease import ADVICE, Lease, in_use, take
from harness.tracking.tell import Tell, no_one

STATE_FOLDER = ".state"
NEW_HOLDER = ".holder.new"
DEFAULT_DATABASE = "mlflow.db"


@contextlib.contextmanager
def hold(state_dir: Path, uri: str, *, wait: bool = False, tell: Tell = no_one) -> Iterator[Lease]:
    """Hold the store at `uri` for one sweep; with `wait`, wait until it is free.

    Raises StoreInUse, with the holder's pid, when another process has it, and StoreError when
    the lock's folder cannot be written.
    """
    path = lock_path(state_dir, uri)
    require_inside(path.parent, path.parent.parent)
    for file in (path, path.with_suffix(NEW_HOLDER)):
        require_no_link(file)  # opening a lock empties the file
    place = HolderFile(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        _acquire(lock, place, wait, tell)
    except OSError as error:
        raise _not_made(path, error) from error
    try:
        lease = take(place, wait=wait, tell=tell)
        try:
            yield lease
        finally:
            lease.release()
    finally:
        lock.release()


def _acquire(lock: FileLock, place: HolderFile, wait: bool, tell: Tell) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        used = in_use(place.held, place.read())
        if not wait:
            raise StoreInUse(f"{used}; {ADVICE}") from error
        tell(f"{used}: waiting until it ends")
        lock.acquire()


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


class HolderFile:
    """Beside a lock, who holds it; it may be missing for an instant."""

    is_settled_at_once = True

    def __init__(self, lock: Path) -> None:
        self._lock, self._path = lock, lock.with_suffix(".holder.json")
        self.held = f"{escape(str(lock.parent.parent))}: this store"

    def read(self) -> str:
        """See `Place`; a file that cannot be read names nobody."""
        try:
            with self._path.open(errors="replace") as file:
                return file.read(MAX_TEXT + 1)
        except OSError:
            return ""

    def write(self, text: str) -> None:
        """See `Place`."""
        temporary = self._lock.with_suffix(NEW_HOLDER)
        try:
            if text:
                temporary.write_text(text)
                temporary.replace(self._path)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise _not_made(self._lock, error) from error

    def wake(self) -> None:
        """See `Place`; a disk has no first writing."""

    def heeds(self, found: Holder | None) -> bool:
        """Where the kernel is the same, it has told by its lock that the holder is gone."""
        return found is not None and not found.shares_kernel()


def _not_made(lock: Path, error: OSError) -> StoreError:
    why = trouble.reason(lock, str(error)) or error.strerror
    return StoreError(f"{escape(str(lock))}: the sweep lock cannot be made: {why}")
