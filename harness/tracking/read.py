"""Runs as MLflow holds them, read back into frozen values: what is done, and how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness.errors import StoreError, nearest, show
from harness.tracking import artifacts, keys, row_reader
from harness.tracking.record import DatasetInput
from harness.tracking.row_reader import RunRow
from harness.tracking.store import Store
from harness.tracking.told import told


@dataclass(frozen=True)
class Alias:
    """Another name of a run: the sweep and the run's name there."""

    sweep: str
    run: str


@dataclass(frozen=True)
class StoredRun:
    """One record of the store. Times are milliseconds since 1970, `metrics` the last values."""

    run_id: str
    name: str
    sweep: str
    experiment: str
    kind: str
    fingerprint: str | None
    group: str | None
    engine: str | None
    state: str
    status: str
    start_time: int
    end_time: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    aliases: tuple[Alias, ...]
    superseded_by: str | None
    artifact_uri: str
    mlflow_experiment_id: str

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to train: finished or diverged, and recorded whole."""
        return self.state in keys.DONE_STATES and self.status == "FINISHED"

    @property
    def seconds(self) -> float | None:
        """How long it took, from its start to its end; None for a group, which is written when its
        runs are done."""
        if self.end_time is None or self.kind == "group":
            return None
        return (self.end_time - self.start_time) / 1000

    def bears(self, sweep: str, name: str) -> bool:
        """Whether a sweep knows it by that name: its own, or one that shares it."""
        return (self.sweep, self.name) == (sweep, name) or Alias(sweep, name) in self.aliases

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name, then those it has elsewhere."""
        return (self.name, *(alias.run for alias in self.aliases))


def find_runs(
    store: Store, experiment_ids: Sequence[str] | None = None, *, status: str | None = None
) -> list[StoredRun]:
    """All records that harness made, oldest first; of the whole store, or of some of MLflow's
    experiments, or of one MLflow status. Deleted ones, and what other programs recorded, are left
    out. A store whose tables are in reach is read by rows, 0.1 ms a run, any other through MLflow's
    client, 4 ms a run."""
    rows = row_reader.read_runs(store, experiment_ids, status)
    if rows is None:
        with told(store.uri, "read the runs"):
            rows = _client_reader().read_runs(store, experiment_ids, status)
    return [stored_run(row) for row in rows]


def find_usable_runs(store: Store, sweep: str) -> list[StoredRun]:
    """The records that a sweep may count on or go on in: `find_runs`, but of a shared store, where
    two sweeps may run at once, other sweeps' records only where they are done. What is not done is
    theirs to go on with: two processes would write one record."""
    found = find_runs(store)
    return found if store.is_local else [r for r in found if r.sweep == sweep or r.is_done]


def get_run(store: Store, run_id: str) -> StoredRun:
    """One record by its whole id; raises StoreError when it is not there or not ours."""
    row = row_reader.read_run(store, run_id)
    if row is None:
        with told(store.uri, f"read the run {show(run_id)}"):
            row = _client_reader().read_run(store, run_id)
    if keys.RECORD_VERSION not in row.tags:
        raise StoreError(f"run {run_id} was not recorded by harness")
    return stored_run(row)


def history(store: Store, run_id: str, metric: str = keys.TRAIN_LOSS) -> dict[int, float]:
    """A metric's values by step, in ascending steps."""
    return histories(store, [run_id], metric)[run_id]


def histories(
    store: Store, run_ids: Sequence[str], metric: str = keys.TRAIN_LOSS
) -> dict[str, dict[int, float]]:
    """`history` of many runs by their ids; tables in reach are read over one connection."""
    curves = row_reader.read_curves(store, run_ids, metric)
    if curves is None:
        with told(store.uri, f"read {metric}"):
            curve = _client_reader().read_curve
            curves = {run_id: curve(store, run_id, metric) for run_id in run_ids}
    return curves


def all_histories(store: Store, run: StoredRun) -> dict[str, dict[int, float]]:
    """Every metric of a run by its name, with its values by step, in ascending steps."""
    points = row_reader.read_points(store, run.run_id)
    if points is not None:
        return points
    return {metric: history(store, run.run_id, metric) for metric in run.metrics}


def dataset_of(store: Store, run_id: str) -> DatasetInput | None:
    """What a run was trained on; None for one that was cut off before that was written, and for a
    group or a search."""
    with told(store.uri, f"read the run {show(run_id)}"):
        inputs = store.client.get_run(run_id).inputs
    for found in inputs.dataset_inputs if inputs else ():
        dataset = found.dataset
        return DatasetInput(dataset.name, dataset.digest, _source(dataset.source))
    return None


def _source(text: str) -> str:
    """The address in what MLflow keeps of a dataset's source; what is no such JSON, as it is."""
    try:
        return str(json.loads(text)["uri"])
    except (ValueError, TypeError, KeyError):
        return text


def traceback_place(store: Store, run: StoredRun) -> str | None:
    """Where a failed run's traceback is: its path, or its address in a store elsewhere."""
    if keys.ERROR not in run.tags:
        return None
    folder = artifacts.artifacts_dir(store, run.artifact_uri)
    if folder is None:
        return f"{run.artifact_uri}/{keys.TRACEBACK_FILE}"
    path = folder / keys.TRACEBACK_FILE
    return str(path) if path.is_file() else None


def checkpoints(store: Store, run_id: str) -> list[str]:
    """The names of a run's checkpoints, by step."""
    return artifacts.names(store, get_run(store, run_id).artifact_uri)


def local_checkpoint(store: Store, run_id: str, name: str | None = None) -> Path:
    """The folder of a run's checkpoint, by default the newest, on this machine.

    From a server it is downloaded once. Raises StoreError when there is none.
    """
    run = get_run(store, run_id)
    found = artifacts.names(store, run.artifact_uri)
    if not found:
        raise StoreError(f"run {run.name} ({run_id}) has no checkpoint; its state is {run.state}")
    if name is not None and name not in found:
        near = nearest(name, found)
        hint = f"; did you mean {near}?" if near else f"; it has {', '.join(found)}"
        raise StoreError(f"run {run.name} ({run_id}) has no checkpoint {show(name)}{hint}")
    return artifacts.fetch(store, run_id, run.artifact_uri, name or found[-1])


def _client_reader() -> ModuleType:
    """MLflow is imported where its client is needed."""
    from harness.tracking import client_reader

    return client_reader


def stored_run(row: RunRow) -> StoredRun:
    """A record from what MLflow keeps of it; what our tags say is read from them."""
    tags = row.tags
    return StoredRun(
        run_id=row.run_id,
        name=tags.get(keys.RUN_NAME, row.name),
        sweep=tags.get(keys.SWEEP, ""),
        experiment=tags.get(keys.EXPERIMENT, ""),
        kind=tags.get(keys.KIND, "run"),
        fingerprint=tags.get(keys.FINGERPRINT),
        group=tags.get(keys.GROUP),
        engine=tags.get(keys.ENGINE),
        state=tags.get(keys.STATE, ""),
        status=row.status,
        start_time=row.start_time,
        end_time=row.end_time,
        params=row.params,
        tags=tags,
        metrics=row.metrics,
        aliases=_aliases(tags.get(keys.ALIASES, "[]")),
        superseded_by=tags.get(keys.SUPERSEDED_BY),
        artifact_uri=row.artifact_uri,
        mlflow_experiment_id=row.mlflow_experiment_id,
    )


def _aliases(text: str) -> tuple[Alias, ...]:
    """The tag's list; a tag that someone edited by hand into something else holds none."""
    try:
        return tuple(Alias(str(item["sweep"]), str(item["run"])) for item in json.loads(text))
    except (ValueError, TypeError, KeyError):
        return ()
