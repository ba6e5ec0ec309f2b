"""A sweep from its file to its table: load, plan, train what is missing, check every claim.

`run_sweep` is what `harness run` calls, and all of it. The store's sweep lock is held while
anything may be written, and what a dead process left running is set right first. Claims are
checked from what the store holds, so they are checked for runs that were skipped too.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.call import Call
from harness.errors import NothingMatched, StoreMissing
from harness.interrupts import installed
from harness.observer import Observer
from harness.planning import Corpora, PlannedRun, plan_runs, selected_runs, selected_searches
from harness.recording import described
from harness.results import SweepResult
from harness.search.planned import PlannedSearch, Planner
from harness.search.storage_check import check_storages
from harness.spec.sweep_file import Sweep
from harness.tracking.lease import Lease
from harness.tracking.lock import hold
from harness.tracking.read import find_usable_runs
from harness.tracking.store import STORE_FOLDER, Store, open_store
from harness.tracking.sweep_lease import hold_sweep

FORCED_SEARCHES = (
    "--force trains the runs of experiments again and leaves searches alone: their studies go on, "
    "and no trial is trained again"
)


class SweepPlan:
    """What `run_sweep` would do, without creating or writing anything; the store is read once.

    ``store`` is one that is open, in place of that of ``tracking_uri``.
    Raises NothingMatched where ``only`` selects nothing, StoreError where the store cannot be read.
    """

    def __init__(
        self,
        sweep: Sweep,
        *,
        tracking_uri: str | None = None,
        only: str | Sequence[str] = (),
        store: Store | None = None,
    ) -> None:
        self.sweep, self.only = sweep, _globs(only)
        _check_selection(sweep, self.only)
        store = store or _existing_store(tracking_uri)
        self.state_dir = store.state_dir if store else Path.cwd() / STORE_FOLDER
        self.stored = find_usable_runs(store, sweep.name) if store else []
        self.corpora = Corpora(self.state_dir / ".cache" / "corpora", write=False)

    def runs(self, *, force: bool = False) -> tuple[PlannedRun, ...]:
        """The selected runs of experiments."""
        runs = selected_runs(self.sweep, self.only)
        version = importlib.metadata.version("torch")
        planned = plan_runs(
            self.sweep, runs, self.stored, self.corpora, force=force, torch_version=version
        )
        return tuple(planned)

    def searches(self) -> tuple[PlannedSearch, ...]:
        """The selected searches; StoreError where the storage of one cannot be read.

        Optuna is imported where there is a database that may hold studies, and only there.
        """
        planner = Planner(self.sweep, self.corpora, self.stored, self.state_dir)
        return tuple(planner.plan(search) for search in selected_searches(self.sweep, self.only))


def plan_sweep(
    sweep: Sweep,
    *,
    tracking_uri: str | None = None,
    only: str | Sequence[str] = (),
    force: bool = False,
) -> tuple[PlannedRun, ...]:
    """The runs of a `SweepPlan`."""
    return SweepPlan(sweep, tracking_uri=tracking_uri, only=only).runs(force=force)


def plan_searches(
    sweep: Sweep, *, tracking_uri: str | None = None, only: str | Sequence[str] = ()
) -> tuple[PlannedSearch, ...]:
    """The searches of a `SweepPlan`."""
    return SweepPlan(sweep, tracking_uri=tracking_uri, only=only).searches()


def run_sweep(
    sweep: Sweep,
    *,
    tracking_uri: str | None = None,
    only: str | Sequence[str] = (),
    jobs: int | None = 1,
    force: bool = False,
    fail_fast: bool = False,
    wait: bool = False,
    observer: Observer | None = None,
    experiments: bool = True,
) -> SweepResult:
    """Train every selected run that is not done, run every selected search, check all claims.

    Args:
        sweep: from `load_sweep`.
        tracking_uri: the store; by default `mlruns/mlflow.db` under the current directory.
        only: globs over names of experiments and runs; empty means all.
        jobs: 1 trains in this process, more in so many worker processes, and None in as many
            as `default_jobs` finds worth it. Workers import the calling script, so one that
            asks for more than 1 needs the guard ``if __name__ == "__main__"``.
        force: train again what experiments have done, in new records; searches go on.
        fail_fast: start nothing after the first run that fails.
        wait: wait for another sweep on the store instead of raising.
        observer: hears what happens.
        experiments: False leaves them out, and only the searches are run.

    Raises:
        NothingMatched: ``only`` selects nothing.
        StoreError: the store cannot be opened or written; StoreInUse when another sweep has it.
        Interrupted: Ctrl-C or SIGTERM, after what was running is recorded as killed.
    """
    only = _globs(only)
    _check_selection(sweep, only)
    observer = observer or Observer()
    store = open_store(tracking_uri)
    for note in store.notes:
        observer.on_note(note)
    searches = selected_searches(sweep, only)
    check_storages(searches, store.state_dir)
    if force and searches:
        observer.on_note(FORCED_SEARCHES)
    with _held(store, sweep, wait, observer) as (experiment_id, lease):
        call = Call(sweep, store, experiment_id, only, observer, lease)
        call.plan(force=force, experiments=experiments)
        call.train(jobs, fail_fast=fail_fast)
        if not (fail_fast and call.has_failed):
            call.search()
        return call.finish()


@contextlib.contextmanager
def _held(
    store: Store, sweep: Sweep, wait: bool, observer: Observer
) -> Iterator[tuple[str | None, Lease]]:
    """Hold the store, and the sweep where the store is shared, by its MLflow experiment; the lease.

    The experiment of a local store is made when something is recorded.
    """
    tell = observer.on_note
    with hold(store.state_dir, store.uri, wait=wait, tell=tell) as lease, installed():
        if store.is_local:
            yield None, lease
            return
        from harness.tracking.experiments import ensure_mlflow_experiment
        from harness.tracking.patience import leave_repeating_to_us

        leave_repeating_to_us(store)
        experiment_id = ensure_mlflow_experiment(store, sweep.name, described(sweep))
        with hold_sweep(store, experiment_id, sweep.name, wait=wait, tell=tell) as shared:
            yield experiment_id, shared


def _globs(only: str | Sequence[str]) -> Sequence[str]:
    """One glob or several: a text alone is one, not its letters."""
    return [only] if isinstance(only, str) else only


def _check_selection(sweep: Sweep, only: Sequence[str]) -> None:
    if only and not selected_runs(sweep, only) and not selected_searches(sweep, only):
        names = [e.name for e in sweep.experiments] + [s.name for s in sweep.searches]
        patterns = " ".join(only)
        raise NothingMatched(f"--only {patterns} matches no run (there are: {', '.join(names)})")


def _existing_store(tracking_uri: str | None) -> Store | None:
    """The store, or None where it has not been made yet."""
    try:
        return open_store(tracking_uri, create=False)
    except StoreMissing:
        return None
