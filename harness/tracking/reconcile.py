"""Nothing stays RUNNING behind a dead process.

MLflow leaves a run RUNNING when its process is killed. Whoever holds the sweep lock knows that no
other sweep writes, so what is RUNNING was left behind: by anybody in a local store, which one lock
covers; in a shared store by this directory of this host, which is what the lock covers there, and
by whoever ran the sweep whose lease this process has. A run whose end was cut off after its state
was written had everything recorded, so it gets the status of that state; every other becomes
killed, to be resumed or begun again.
"""

from __future__ import annotations

from harness.tracking import keys
from harness.tracking.environment import writer_id
from harness.tracking.read import StoredRun, find_runs
from harness.tracking.store import Store
from harness.tracking.told import told


def mark_dead_runs(store: Store, leased: str | None = None) -> list[str]:
    """End what dead processes left RUNNING; returns the ids of those now killed.

    Call it with the sweep lock held (`lock.hold`). `leased` is the MLflow experiment of the sweep
    whose lease is held: nobody writes there but us. Raises StoreError.
    """
    ours = writer_id(store.state_dir)
    killed = []
    for run in find_runs(store, status="RUNNING"):
        is_ours = store.is_local or run.tags.get(keys.WRITER) == ours
        if (is_ours or run.mlflow_experiment_id == leased) and _end(store, run) == "killed":
            killed.append(run.run_id)
    return killed


def _end(store: Store, run: StoredRun) -> str:
    ended = next((state for state in keys.STATUS_OF_STATE if state == run.state), None)
    state: keys.EndState = ended or "killed"
    with told(store.uri, f"mark the run {run.run_id} as {state}"):
        if ended is None:
            store.client.set_tag(run.run_id, keys.STATE, state)
        store.client.set_terminated(run.run_id, keys.STATUS_OF_STATE[state])
    return state
