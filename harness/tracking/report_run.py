"""A sweep's report in the store: the artifacts of one MLflow run, beside the sweep's runs.

MLflow's experiments have no artifacts of their own, and what runs hold is not changed when they
have ended. So the report has a run called `report`, one a sweep, whose files the next report
replaces. It is no record of ours (it has no `harness.record_version`), so nothing that lists,
compares, plans or cleans up ever meets it; MLflow's list shows it, without a loss, below the
others, and with that it is found. It ends before its files are written: nothing is left RUNNING.
"""

from __future__ import annotations

from pathlib import Path

from harness.tracking import artifacts, keys
from harness.tracking.mlflow_api import ViewType
from harness.tracking.store import Store
from harness.tracking.told import told


def log_report(store: Store, experiment_id: str, sweep: str, folder: Path) -> str:
    """Put a folder's files into the run's artifacts; the run's id. StoreError when it cannot."""
    with told(store.uri, "write the report"):
        run_id, uri = _run(store, experiment_id, sweep)
    artifacts.add_folder(store, run_id, uri, folder, keys.REPORT)
    return run_id


def _run(store: Store, experiment_id: str, sweep: str) -> tuple[str, str]:
    client = store.client
    known = client.search_runs(
        [experiment_id],
        f"tags.`{keys.KIND}` = '{keys.REPORT}'",
        ViewType.ACTIVE_ONLY,
        max_results=1,
        order_by=["attributes.start_time ASC"],
    )
    run = known[0] if known else client.create_run(experiment_id, tags=_tags(sweep))
    if run.info.status != "FINISHED":
        client.set_terminated(run.info.run_id, "FINISHED")
    return run.info.run_id, str(run.info.artifact_uri)


def _tags(sweep: str) -> dict[str, str]:
    return {
        keys.RUN_NAME: keys.REPORT,
        keys.KIND: keys.REPORT,
        keys.SWEEP: sweep,
        keys.NOTE: "What `harness report` wrote last: open report.html under Artifacts.",
    }
