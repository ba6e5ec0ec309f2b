"""A run's checkpoints as MLflow artifacts: published whole, listed, fetched, removed.

In a local store a checkpoint is a folder that is renamed into the run's artifact folder, so it is
there whole or not at all. Through a server it is uploaded file by file, and what is read back
stands in `.cache/checkpoints/` of the state folder; the digests inside a checkpoint tell a torn
upload. Names are `step_000200`, checked on the way in and out: nothing that a store answers can
lead a path out of it, nor does a symbolic link.
"""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from harness.errors import StoreError, show
from harness.tracking import keys, trouble
from harness.tracking.inside import require_inside
from harness.tracking.removal import discard
from harness.tracking.store import Store
from harness.tracking.told import told

T = TypeVar("T")
CHECKPOINT_NAME = re.compile(r"step_(\d{6,18})")
PARTIAL = ".partial-"  # begins the names of what is not whole
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def publish(store: Store, artifact_uri: str, staged_dir: Path, name: str) -> None:
    """Make the staged folder the run's checkpoint `name`; the staged folder is gone after."""
    assert CHECKPOINT_NAME.fullmatch(name), name
    folder = artifacts_dir(store, artifact_uri)
    if folder is not None:
        require_writable(store, folder, folder / keys.CHECKPOINTS_DIR / name)
    try:
        if folder is not None:
            _move(staged_dir, folder / keys.CHECKPOINTS_DIR / name)
            return
        with told(store.uri, f"upload the checkpoint {name}"):
            path = f"{keys.CHECKPOINTS_DIR}/{name}"
            _refuse_links_out(staged_dir, staged_dir.parent)
            _ask(store, artifact_uri, lambda files: files.log_artifacts(str(staged_dir), path))
        shutil.rmtree(staged_dir)
    except OSError as error:
        why = trouble.reason(folder or staged_dir, str(error)) or str(error)
        raise StoreError(f"{staged_dir}: cannot be published as {name}: {why}") from error


def remove(store: Store, run_id: str, artifact_uri: str, name: str) -> bool:
    """Remove a checkpoint; False when the store of artifacts cannot remove anything."""
    assert CHECKPOINT_NAME.fullmatch(name), name
    folder = artifacts_dir(store, artifact_uri)
    cached = _cached(store, run_id, name)
    require_inside(cached, store.state_dir)
    shutil.rmtree(cached, ignore_errors=True)
    if folder is not None:
        require_writable(store, folder, folder / keys.CHECKPOINTS_DIR / name)
        _discard(folder / keys.CHECKPOINTS_DIR / name)
        return True
    from requests import HTTPError

    from harness.tracking.mlflow_api import MlflowException

    path = f"{keys.CHECKPOINTS_DIR}/{name}"
    try:
        _ask(store, artifact_uri, lambda files: files.delete_artifacts(path))
    except (MlflowException, NotImplementedError, HTTPError):
        return False
    return True


def names(store: Store, artifact_uri: str) -> list[str]:
    """The names of a run's checkpoints, by step."""
    folder = artifacts_dir(store, artifact_uri)
    if folder is not None:
        checkpoints = folder / keys.CHECKPOINTS_DIR
        found = [path.name for path in checkpoints.iterdir()] if checkpoints.is_dir() else []
    else:
        with told(store.uri, "list the checkpoints"):
            listed = _ask(
                store, artifact_uri, lambda files: files.list_artifacts(keys.CHECKPOINTS_DIR)
            )
        found = [file.path.rpartition("/")[2] for file in listed if file.is_dir]
    return sorted(filter(CHECKPOINT_NAME.fullmatch, found), key=step_of)


def fetch(store: Store, run_id: str, artifact_uri: str, name: str) -> Path:
    """The folder of a checkpoint on this machine, downloaded once where the store is elsewhere."""
    folder = artifacts_dir(store, artifact_uri)
    if folder is not None:
        checkpoint = folder / keys.CHECKPOINTS_DIR / name
        _refuse_links_out(checkpoint, folder)
        return checkpoint
    cached = _cached(store, run_id, name)
    if not cached.is_dir():
        _download(store, artifact_uri, name, cached)
    return cached


def artifacts_dir(store: Store, artifact_uri: str) -> Path | None:
    """The folder of a run's artifacts when it may be reached by path, else None."""
    parts = urlsplit(artifact_uri)
    if not store.is_local or parts.scheme not in ("", "file") or parts.netloc:
        return None
    return Path(url2pathname(parts.path) if parts.scheme else artifact_uri)


def add_folder(store: Store, run_id: str, artifact_uri: str, source: Path, name: str) -> None:
    """Copy the files of a folder to the run's artifacts, under `name`."""
    folder = artifacts_dir(store, artifact_uri)
    if folder is not None:
        for path in source.rglob("*"):
            require_writable(store, folder, folder / name / path.relative_to(source))
    with told(store.uri, f"write {name} of the run {run_id}"):
        store.client.log_artifacts(run_id, str(source), name)


def add_text(store: Store, run_id: str, artifact_uri: str, text: str, name: str) -> None:
    """Write a text as an artifact of the run."""
    folder = artifacts_dir(store, artifact_uri)
    if folder is not None:
        require_writable(store, folder, folder / name)
    with told(store.uri, f"write {name} of the run {run_id}"):
        store.client.log_text(run_id, text, name)


def require_writable(store: Store, folder: Path, path: Path) -> None:
    """Raise StoreError where a link on the way to `path` leads out of the store's folder, or out
    of the experiment's, where MLflow keeps that elsewhere."""
    assert store.database is not None
    home = store.database.parent
    require_inside(path, home if folder.is_relative_to(home) else folder.parents[1])


def own_dir(store: Store, artifact_uri: str) -> Path | None:
    """`artifacts_dir` where that lies in the store's own folder, else None."""
    folder = artifacts_dir(store, artifact_uri)
    if folder is None or store.database is None or ".." in folder.parts:
        return None
    return folder if folder.is_relative_to(store.database.parent) else None


def step_of(name: str) -> int:
    """The step in a checkpoint's name."""
    match = CHECKPOINT_NAME.fullmatch(name)
    assert match
    return int(match[1])


def _ask(store: Store, artifact_uri: str, ask: Callable[[Any], T]) -> T:
    """What ``ask`` returns of the place of a run's artifacts, MLflow's `ArtifactRepository`. The
    client does the same, but asks the server for the run before, to know this URI."""
    from harness.tracking.mlflow_api import get_artifact_repository
    from harness.tracking.patience import patiently

    repository = get_artifact_repository(artifact_uri, tracking_uri=store.uri)
    return patiently(store, lambda: ask(repository))


def _move(staged_dir: Path, target: Path) -> None:
    """Rename into place; over file systems, copy beside the target first, so that what has the
    name is always whole. An earlier checkpoint of that name (a replay) gives way."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _discard(target)
    try:
        staged_dir.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=_own_folder(target)))
        shutil.copytree(staged_dir, partial / target.name)
        (partial / target.name).rename(target)
        partial.rmdir()
        shutil.rmtree(staged_dir)


def _discard(checkpoint: Path) -> None:
    """Remove a checkpoint, if it is there; a link is left alone."""
    if checkpoint.is_dir() and not checkpoint.is_symlink():
        discard(checkpoint, _own_folder(checkpoint) / f"{PARTIAL}removed")


def _own_folder(checkpoint: Path) -> Path:
    """The run's own, beside `artifacts`: on the checkpoint's file system, and not listed."""
    return checkpoint.parents[2]


def _refuse_links_out(checkpoint: Path, folder: Path) -> None:
    root = folder.resolve()
    for path in (checkpoint, *checkpoint.rglob("*")):
        if not path.resolve().is_relative_to(root):
            raise StoreError(f"{path}: leads out of the run's artifacts, which is not followed")


def _cached(store: Store, run_id: str, name: str) -> Path:
    assert RUN_ID.fullmatch(run_id), show(run_id)
    return store.state_dir / ".cache" / keys.CHECKPOINTS_DIR / run_id / name


def _download(store: Store, artifact_uri: str, name: str, cached: Path) -> None:
    with told(store.uri, f"download the checkpoint {name}"):
        require_inside(cached.parent, store.state_dir)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=cached.parent) as temporary:
            path = f"{keys.CHECKPOINTS_DIR}/{name}"
            downloaded = Path(
                _ask(store, artifact_uri, lambda files: files.download_artifacts(path, temporary))
            )
            _refuse_links_out(downloaded, Path(temporary))
            if not cached.is_dir():
                downloaded.replace(cached)
