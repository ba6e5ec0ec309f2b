"""Runs and curves read through MLflow's client, from whatever kind of store, 4 ms a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.tracking import keys
from harness.tracking.mlflow_api import Run, ViewType
from harness.tracking.row_reader import RunRow
from harness.tracking.store import Store

PAGE = 1000


def read_runs(
    store: Store, experiment_ids: Sequence[str] | None, status: str | None
) -> list[RunRow]:
    """The records that harness made, oldest first; see `read.find_runs`."""
    ids = list(experiment_ids) if experiment_ids is not None else _experiment_ids(store)
    found = _search(store, ids, f"attributes.status = '{status}'" if status else "")
    return [_row(run) for run in found if keys.RECORD_VERSION in run.data.tags]


def read_run(store: Store, run_id: str) -> RunRow:
    """One run by its whole id, also one that was deleted or that another program recorded."""
    return _row(store.client.get_run(run_id))


def read_curve(store: Store, run_id: str, metric: str) -> dict[int, float]:
    """A metric's values by step, in ascending steps (MLflow gives them by time)."""
    points = store.client.get_metric_history(run_id, metric)
    return {point.step: point.value for point in sorted(points, key=lambda point: point.step)}


def _row(run: Run) -> RunRow:
    return RunRow(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        start_time=run.info.start_time,
        end_time=run.info.end_time,
        artifact_uri=run.info.artifact_uri,
        mlflow_experiment_id=run.info.experiment_id,
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )


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
