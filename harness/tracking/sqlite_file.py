"""A SQLite file looked at before anything is written to it: refused, it stays byte for byte.

SQLite itself finds damage only where it reads, takes an empty file for an empty database, and
writes an old journal into whatever has the name. So a file is looked at first through a connection
that cannot write: what it is, and whether its pages fit together. That reads the whole file, 1 s
for a gigabyte, so it ends after `CHECK_S`; what it did not come to is told when it is read.

A file is never opened but through SQLite: closing it would take the locks from all connections that
this process has to it, for that is how POSIX locks are.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from harness.errors import StoreError, escape
from harness.tracking import trouble

CHECK_S = 0.25
EMPTY_BYTES = 1  # SQLite takes a file of one byte, whatever it is, for an empty one
HARMLESS = ("is never used", "in database main ***")  # a page that is lost; a heading
CHECK_EVERY = 10_000  # of SQLite's instructions, between two looks at the clock


def check(database: Path) -> None:
    """Raise StoreError where `database` is no sound SQLite file; nothing is changed."""
    check_kind(database)
    shown = escape(str(database))
    try:
        size = database.stat().st_size
    except OSError as error:
        raise StoreError(f"{shown}: cannot be opened: {error.strerror}") from error
    if size <= EMPTY_BYTES:
        raise StoreError(
            f"{shown}: is empty ({size} byte{'s' * (size != 1)}) and was left as it is: put a copy "
            "back in its place or, if nothing was ever recorded, delete it"
        )
    if not _has_journal(database):
        try:
            _check_pages(database)
        except sqlite3.Error as error:
            raise unusable(database, error) from error


def check_kind(database: Path) -> None:
    """Raise StoreError where `database` is a link to nothing or a folder."""
    shown = escape(str(database))
    if database.is_symlink() and not database.exists():
        leads = escape(str(database.readlink()))
        raise StoreError(f"{shown}: is a link to {leads}, which is not there")
    if database.is_dir():
        raise StoreError(f"{shown}: is a folder, not a database")


def connect_to_read(database: Path) -> sqlite3.Connection:
    """A connection that writes nothing, unless SQLite must take back a write that was cut off; the
    caller closes it. Raises sqlite3.Error."""
    mode = "rw" if _has_journal(database) else "ro"
    uri = f"{database.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=trouble.busy_timeout_s())


def tables(database: Path) -> set[str]:
    """The names of its tables. Raises StoreError."""
    try:
        with contextlib.closing(connect_to_read(database)) as connection:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            return {row[0] for row in connection.execute(query)}
    except sqlite3.Error as error:
        raise unusable(database, error) from error


def unusable(database: Path, error: sqlite3.Error) -> StoreError:
    """The error to raise for one of SQLite's."""
    found = trouble.reason(database, str(error)) or f"cannot be opened: {error}"
    return StoreError(f"{escape(str(database))}: {found}")


def _has_journal(database: Path) -> bool:
    """Whether a write was cut off that SQLite takes back when it opens the file to write."""
    journal = database.with_name(f"{database.name}-journal")
    return journal.exists() and journal.stat().st_size > 0


def _check_pages(database: Path) -> None:
    with contextlib.closing(connect_to_read(database)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        _require_whole(connection, database)
        deadline = time.monotonic() + CHECK_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_EVERY)
        try:
            found = connection.execute("PRAGMA quick_check").fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return
    lines = [line for (text,) in found for line in text.splitlines()]
    wrong = [line for line in lines if line != "ok" and not line.endswith(HARMLESS)]
    if wrong:
        raise sqlite3.DatabaseError(f"database disk image is malformed: {wrong[-1]}")


def _require_whole(connection: sqlite3.Connection, database: Path) -> None:
    """SQLite reads zeros where the last page ends too early, and takes them for what was there.

    Asked in a transaction, and the log before the file: what was in a log that is empty now is in
    the file by now.
    """
    pages, page = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    log = database.with_name(f"{database.name}-wal")
    if log.exists() and log.stat().st_size > 0:
        return
    if database.stat().st_size < pages * page:
        raise sqlite3.DatabaseError("database disk image is malformed: the file is cut short")
