"""Folders in a local store that no run owns, and runs that were deleted in MLflow.

Several stores can lie in one folder: two databases side by side share `artifacts`, and a store that
is a server or a PostgreSQL database keeps its staging, and may keep its artifacts, in `mlruns`. So
a folder is nobody's only when no database beside this one knows its run, and where another store
has left a lock, what is not known is left alone.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import escape
from harness.tracking import sqlite_file
from harness.tracking.artifacts import PARTIAL, own_dir
from harness.tracking.experiments import ARTIFACTS_FOLDER
from harness.tracking.inside import require_inside
from harness.tracking.lock import STATE_FOLDER, lock_path
from harness.tracking.removal import TRASH
from harness.tracking.sqlite_store import sqlite_uri
from harness.tracking.store import Store

RUN_FOLDER = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class DeletedRun:
    """A run in MLflow's trash; ``folder`` is where its files are, None where that is elsewhere."""

    run_id: str
    name: str
    folder: Path | None


@dataclass(frozen=True)
class Unowned:
    """``partial`` are copies of checkpoints that were cut off; ``notes`` say what is left alone."""

    artifacts: tuple[Path, ...]
    staging: tuple[Path, ...]
    partial: tuple[Path, ...]
    trash: tuple[Path, ...]
    notes: tuple[str, ...]


def find_unowned(store: Store, unfinished: set[str]) -> Unowned:
    """What no run owns; ``unfinished`` are the ids of runs whose staging folders stay.

    Raises StoreError where a link among the folders leads out of the store.
    """
    assert store.database is not None
    home = store.database.parent
    # The folders first: a run that another program begins meanwhile has its row before its folder.
    folders = sorted(_run_folders(home))
    staged = [path for path in _children(store.state_dir / STATE_FOLDER) if _names_run(path)]
    for path in (*folders, *staged):
        require_inside(path, home if path in folders else store.state_dir)
    known, notes = _known_runs(home)
    strangers = {path for path in (*folders, *staged) if path.name not in known}
    if notes and strangers:
        notes = [f"{note}: folders of runs that are not known are left alone" for note in notes]
    may_go = set() if notes or store.state_dir != home else strangers
    return Unowned(
        artifacts=tuple(path for path in folders if path in strangers and not notes),
        staging=tuple(
            path
            for path in staged
            if path in may_go or (path not in strangers and path.name not in unfinished)
        ),
        partial=tuple(
            path for folder in folders for path in _children(folder) if _is_partial(path)
        ),
        trash=tuple(_children(home / STATE_FOLDER / TRASH)),
        notes=tuple(notes) if strangers else (),
    )


def deleted_runs(store: Store) -> list[DeletedRun]:
    """The runs of MLflow's trash, oldest first. Raises StoreError for links that lead out."""
    assert store.database is not None
    home = store.database.parent
    query = (
        "SELECT run_uuid, name, artifact_uri FROM runs WHERE lifecycle_stage = 'deleted' "
        "ORDER BY start_time, run_uuid"
    )
    with contextlib.closing(sqlite_file.connect_to_read(store.database)) as connection:
        rows = connection.execute(query).fetchall()
    found = []
    for run_id, name, uri in rows:
        artifacts = own_dir(store, uri or "")
        folder = artifacts.parent if artifacts and artifacts.parent.name == run_id else None
        if folder is not None:
            require_inside(folder, home)
        found.append(DeletedRun(run_id, name or "", folder))
    return found


def _run_folders(home: Path) -> Iterator[Path]:
    """Folders with the names of runs, where harness and MLflow keep artifacts below `home`."""
    require_inside(home / ARTIFACTS_FOLDER, home)
    for experiment in (*_children(home / ARTIFACTS_FOLDER), *_children(home)):
        if experiment.parent == home and not experiment.name.isdecimal():
            continue  # MLflow's own folders there are named by the experiment's number
        require_inside(experiment, home)
        yield from (path for path in _children(experiment) if _names_run(path))


def _known_runs(home: Path) -> tuple[set[str], list[str]]:
    """The ids in all databases of a folder, and why others may be unknown."""
    known: set[str] = set()
    locks, notes = set(), []
    for path in _children(home):
        if not path.is_file() or path.name.endswith(("-wal", "-shm", "-journal")):
            continue
        try:
            with contextlib.closing(sqlite_file.connect_to_read(path)) as connection:
                known |= {row[0] for row in connection.execute("SELECT run_uuid FROM runs")}
        except sqlite3.Error as error:
            if "no such table" not in str(error) and "not a database" not in str(error):
                notes.append(f"{escape(path.name)} cannot be read ({error})")
            continue
        locks.add(lock_path(home, sqlite_uri(path)).name)
    others = [
        path.name
        for path in _children(home / STATE_FOLDER)
        if path.name.startswith("sweep-") and path.suffix == ".lock" and path.name not in locks
    ]
    if others:
        notes.append(f"another store uses this folder too ({STATE_FOLDER}/{others[0]})")
    return known, notes


def _names_run(path: Path) -> bool:
    return RUN_FOLDER.fullmatch(path.name) is not None and (path.is_dir() or path.is_symlink())


def _is_partial(path: Path) -> bool:
    return path.name.startswith(PARTIAL) and path.is_dir() and not path.is_symlink()


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
