"""Runs as MLflow holds them, read back into frozen values: what is done, and how it went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreError, nearest, show
from harness.tracking import artifacts, keys, row_reader
from harness.tracking.mlflow_api import Run, ViewType, told
from harness.tracking.record import DatasetInput
from harness.tracking.store import Store

PAGE = 1000


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
    out. A local store is read by rows, 0.1 ms a run, any other through its client, 4 ms a run."""
    if store.database is not None:
        rows = row_reader.read_runs(store.database, experiment_ids, status)
        if rows is not None:
            return [stored_run(**row._asdict()) for row in rows]
    wanted = f"attributes.status = '{status}'" if status else ""
    with told(store.uri, "read the runs"):
        ids = list(experiment_ids) if experiment_ids is not None else _experiment_ids(store)
        found = _search(store, ids, wanted)
        return [stored(run) for run in found if keys.RECORD_VERSION in run.data.tags]


def find_usable_runs(store: Store, sweep: str) -> list[StoredRun]:
    """The records that a sweep may count on or go on in: `find_runs`, but of a shared store, where
    two sweeps may run at once, other sweeps' records only where they are done. What is not done is
    theirs to go on with: two processes would write one record."""
    found = find_runs(store)
    return found if store.is_local else [r for r in found if r.sweep == sweep or r.is_done]


def get_run(store: Store, run_id: str) -> StoredRun:
    """One record by its whole id; raises StoreError when it is not there or not ours."""
    with told(store.uri, f"read the run {show(run_id)}"):
        run = store.client.get_run(run_id)
    if keys.RECORD_VERSION not in run.data.tags:
        raise StoreError(f"run {run_id} was not recorded by harness")
    return stored(run)


def history(store: Store, run_id: str, metric: str = keys.TRAIN_LOSS) -> dict[int, float]:
    """A metric's values by step, in ascending steps (MLflow gives them by time)."""
    if store.database is not None:
        curves = row_reader.read_curves(store.database, [run_id], metric)
        if curves is not None:
            return curves[run_id]
    with told(store.uri, f"read {metric} of the run {run_id}"):
        points = store.client.get_metric_history(run_id, metric)
    return {point.step: point.value for point in sorted(points, key=lambda point: point.step)}


def histories(
    store: Store, run_ids: Sequence[str], metric: str = keys.TRAIN_LOSS
) -> dict[str, dict[int, float]]:
    """`history` of many runs by their ids; a local store is read over one connection."""
    if store.database is not None:
        curves = row_reader.read_curves(store.database, run_ids, metric)
        if curves is not None:
            return curves
    return {run_id: history(store, run_id, metric) for run_id in run_ids}


def all_histories(store: Store, run: StoredRun) -> dict[str, dict[int, float]]:
    """Every metric of a run by its name, with its values by step, in ascending steps."""
    if store.database is not None:
        points = row_reader.read_points(store.database, run.run_id)
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
    return artifacts.names(store, run_id, get_run(store, run_id).artifact_uri)


def local_checkpoint(store: Store, run_id: str, name: str | None = None) -> Path:
    """The folder of a run's checkpoint, by default the newest, on this machine.

    From a server it is downloaded once. Raises StoreError when there is none.
    """
    run = get_run(store, run_id)
    found = artifacts.names(store, run_id, run.artifact_uri)
    if not found:
        raise StoreError(f"run {run.name} ({run_id}) has no checkpoint; its state is {run.state}")
    if name is not None and name not in found:
        near = nearest(name, found)
        hint = f"; did you mean {near}?" if near else f"; it has {', '.join(found)}"
        raise StoreError(f"run {run.name} ({run_id}) has no checkpoint {show(name)}{hint}")
    return artifacts.fetch(store, run_id, run.artifact_uri, name or found[-1])


def stored(run: Run) -> StoredRun:
    """MLflow's record as ours."""
    return stored_run(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        start_time=run.info.start_time,
        end_time=run.info.end_time,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
        artifact_uri=run.info.artifact_uri,
        mlflow_experiment_id=run.info.experiment_id,
    )


def stored_run(
    *,
    run_id: str,
    status: str,
    start_time: int,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    artifact_uri: str,
    mlflow_experiment_id: str,
    end_time: int | None = None,
    metrics: Mapping[str, float] | None = None,
    name: str = "",
) -> StoredRun:
    """A record from what MLflow keeps of it; what our tags say is read from them."""
    return StoredRun(
        run_id=run_id,
        name=tags.get(keys.RUN_NAME, name),
        sweep=tags.get(keys.SWEEP, ""),
        experiment=tags.get(keys.EXPERIMENT, ""),
        kind=tags.get(keys.KIND, "run"),
        fingerprint=tags.get(keys.FINGERPRINT),
        group=tags.get(keys.GROUP),
        engine=tags.get(keys.ENGINE),
        state=tags.get(keys.STATE, ""),
        status=status,
        start_time=start_time,
        end_time=end_time,
        params=params,
        tags=tags,
        metrics=metrics or {},
        aliases=_aliases(tags.get(keys.ALIASES, "[]")),
        superseded_by=tags.get(keys.SUPERSEDED_BY),
        artifact_uri=artifact_uri,
        mlflow_experiment_id=mlflow_experiment_id,
    )


def _aliases(text: str) -> tuple[Alias, ...]:
    """The tag's list; a tag that someone edited by hand into something else holds none."""
    try:
        return tuple(Alias(str(item["sweep"]), str(item["run"])) for item in json.loads(text))
    except (ValueError, TypeError, KeyError):
        return ()


def _experiment_ids(store: Store) -> list[str]:
    ids: list[str] = []
    token = None
    while True:
        page = store.client.search_experiments(ViewType.ACTIVE_ONLY, PAGE, page_token=token)
        ids += [found.experiment_id for found in page if keys.SWEEP in found.tags]
        token = page.token
        if not token:
            return ids


def _search(store: Store, experiment_ids: list[str], wanted: str) -> Iterator[Run]:
    """Page by page; runs that begin meanwhile come at the end, so no page shifts."""
    token = None
    while experiment_ids:
        page = store.client.search_runs(
            experiment_ids,
            wanted,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return
