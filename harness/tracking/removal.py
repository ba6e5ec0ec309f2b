"""Removing from a local store so that a kill at any instant leaves it sound.

A folder is renamed out of its place into `.state/trash` and removed there: nobody ever finds half
a checkpoint under its name. What a kill leaves in the trash, the next removal takes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from pathlib import Path

from harness.errors import StoreError, escape
from harness.tracking import trouble
from harness.tracking.inside import require_inside
from harness.tracking.lock import STATE_FOLDER
from harness.tracking.store import Store
from harness.tracking.told import told

TRASH = "trash"  # in `.state`: what is being removed


def remove_folder(store: Store, path: Path) -> None:
    """Remove a folder or file of the store; no link is followed. Raises StoreError."""
    assert store.database is not None
    home = store.database.parent
    root = home if path.is_relative_to(home) else store.state_dir
    require_inside(path.parent, root)
    trash = home / STATE_FOLDER / TRASH
    try:
        discard(path, trash)
    except FileNotFoundError:
        return
    except OSError as error:
        why = trouble.reason(path, str(error)) or error.strerror
        raise StoreError(f"{escape(str(path))}: cannot be removed: {why}") from error


def discard(path: Path, trash: Path) -> None:
    """Remove a folder or file: its name at once, so that half of it is never found under it.

    ``trash`` is made for the time being; what is in it already is removed where it is. Raises
    OSError.
    """
    _remove(path if path.parent == trash else _set_aside(path, trash))
    with contextlib.suppress(OSError):  # it holds more
        trash.rmdir()


def remove_rows(store: Store, run_id: str) -> None:
    """Remove a run of MLflow's trash from the database, with what `mlflow gc` removes it by."""
    with told(store.uri, f"remove the run {run_id}"):
        store.client._tracking_client.store._hard_delete_run(run_id)


def size_of(path: Path) -> int:
    """Bytes in a folder's files; links count as nothing."""
    if path.is_symlink() or not path.exists():
        return 0
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(folder) / name).lstat().st_size
    return total


def _set_aside(path: Path, trash: Path) -> Path:
    """Rename into the trash; where that is another file system, leave it in its place."""
    trash.mkdir(parents=True, exist_ok=True)
    moved = trash / f"{uuid.uuid4().hex[:8]}-{path.name}"
    try:
        return path.rename(moved)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
