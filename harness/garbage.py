"""What of a local store may go, and its removal: `harness gc`.

Goes: checkpoints of records that another has superseded, and those of ended runs that retention
would not keep; folders of runs that no database knows; staging of runs that have ended; runs that
were deleted in MLflow. Stays, whatever the settings say: the last and the best checkpoint of every
run that stands, and all of a run that has not ended, which the next call goes on with.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.retention import superseded
from harness.spec.run_config import CheckpointConfig
from harness.tracking import artifacts, keys
from harness.tracking.lock import hold
from harness.tracking.read import StoredRun, find_runs, history
from harness.tracking.removal import remove_folder, remove_rows, size_of
from harness.tracking.store import Store, open_store
from harness.tracking.told import redacted
from harness.tracking.unowned import deleted_runs, find_unowned


@dataclasses.dataclass(frozen=True)
class Garbage:
    """One thing that may go. ``path`` is its folder, None where it has rows alone; ``rows`` says
    whether the run's rows go too."""

    kind: str
    what: str
    reason: str
    path: Path | None
    run_id: str = ""
    rows: bool = False
    num_bytes: int = 0

    def to_json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "kind": self.kind,
            "what": self.what,
            "reason": self.reason,
            "path": str(self.path) if self.path else None,
            "run_id": self.run_id or None,
            "bytes": self.num_bytes,
        }


@dataclasses.dataclass(frozen=True)
class Found:
    """What may go, and what the user should know of what stays."""

    items: tuple[Garbage, ...]
    notes: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """The sum of their sizes."""
        return sum(item.num_bytes for item in self.items)


def collect_garbage(tracking_uri: str | None = None, *, dry_run: bool = False) -> Found:
    """Remove what may go from a local store, or only say what that is.

    Raises UsageError for a store of another kind, StoreInUse while a sweep runs, StoreError where
    something cannot be removed, or is a link that leads out of the store.
    """
    store = open_store(tracking_uri, create=False)
    if store.database is None:
        raise UsageError(
            f"{redacted(store.uri)}: harness gc cleans local stores alone; delete runs in MLflow "
            "and type `mlflow gc` where that store is kept"
        )
    with hold(store.state_dir, store.uri):
        found = find_garbage(store)
        if not dry_run:
            for item in found.items:
                remove(store, item)
        return found


def find_garbage(store: Store) -> Found:
    """What may go, in the order in which it goes; call it with the sweep lock held."""
    runs = find_runs(store)
    by_id = {run.run_id: run for run in runs}
    items = [item for run in runs if run.kind == "run" for item in _checkpoints(store, run, by_id)]
    unfinished = {run.run_id for run in runs if not _has_ended(run)}
    unowned = find_unowned(store, unfinished)
    for paths, kind, reason in (
        (unowned.artifacts, "artifacts", "no run of the database"),
        (unowned.staging, "staging", "its run has ended or is not known"),
        (unowned.partial, "copy", "a checkpoint that was cut off"),
        (unowned.trash, "trash", "a removal that was cut off"),
    ):
        items += [_folder(kind, path, reason) for path in paths]
    notes = list(unowned.notes)
    for deleted in deleted_runs(store):
        if deleted.folder is None:
            notes.append(f"{deleted.run_id}: deleted, but its artifacts are elsewhere: `mlflow gc`")
            continue
        item = _folder("run", deleted.folder, "deleted in MLflow")
        what = f"{deleted.name} ({deleted.run_id[:8]})"
        items.append(dataclasses.replace(item, what=what, run_id=deleted.run_id, rows=True))
    return Found(tuple(items), tuple(notes))


def remove(store: Store, item: Garbage) -> None:
    """Remove one thing: files first, so that rows which are gone never leave files behind."""
    if item.path is not None:
        remove_folder(store, item.path)
    if item.rows:
        remove_rows(store, item.run_id)


def _folder(kind: str, path: Path, reason: str) -> Garbage:
    return Garbage(kind, path.name, reason, path, num_bytes=size_of(path))


def _checkpoints(store: Store, run: StoredRun, by_id: Mapping[str, StoredRun]) -> Iterator[Garbage]:
    folder = artifacts.own_dir(store, run.artifact_uri)
    if folder is None:
        return
    names = artifacts.names(store, run.artifact_uri)
    if _is_replaced(run, by_id):
        assert run.superseded_by is not None
        going, reason = names, f"superseded by {run.superseded_by[:8]}"
    elif _has_ended(run) and len(names) > 1:
        steps = {artifacts.step_of(name): name for name in names}
        kept = _kept(steps, history(store, run.run_id), _config(run), _last_step(run, steps))
        going = [name for step, name in steps.items() if step not in kept]
        reason = "retention keeps others"
    else:
        return
    for name in going:
        path = folder / keys.CHECKPOINTS_DIR / name
        artifacts.require_writable(store, folder, path)
        what = f"{run.name} ({run.run_id[:8]}) {name}"
        yield Garbage("checkpoint", what, reason, path, run.run_id, num_bytes=size_of(path))


def _kept(
    steps: Mapping[int, str], losses: Mapping[int, float], config: CheckpointConfig, last: int
) -> set[int]:
    by_step = {step: losses.get(step, math.inf) for step in steps}
    needed = CheckpointConfig(keep_last=1, keep_best=1)
    gone = set(superseded(by_step, config, last)) & set(superseded(by_step, needed, last))
    return by_step.keys() - gone


def _config(run: StoredRun) -> CheckpointConfig:
    """What the run's settings asked to keep; the defaults where its record does not say."""
    prefix = "checkpoint."
    given = {
        key.removeprefix(prefix): value
        for key, value in run.params.items()
        if key in (f"{prefix}every", f"{prefix}keep_last", f"{prefix}keep_best")
    }
    try:
        return CheckpointConfig(**{key: int(value) for key, value in given.items()})
    except (ValueError, ValidationError):
        return CheckpointConfig()


def _last_step(run: StoredRun, steps: Iterable[int]) -> int:
    """The run's last step; without its settings, that of its newest checkpoint."""
    given = run.params.get("train.steps", "")
    return int(given) if given.isdecimal() else max(steps)


def _has_ended(run: StoredRun) -> bool:
    """Whether nothing goes on in the record: it has a result, and its status says so."""
    return run.status == "FINISHED" and run.state in (*keys.DONE_STATES, "pruned")


def _is_replaced(run: StoredRun, by_id: Mapping[str, StoredRun]) -> bool:
    """Whether the record that superseded this one is there, and done."""
    other = by_id.get(run.superseded_by or "")
    return other is not None and other.is_done
