"""One call of `run_sweep`, with the lease held: what it knows, and what it does in order.

MLflow takes two seconds to import. A local store is read, and the call planned, without it; so the
workers, where there are any, are begun before, and import torch meanwhile.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.executors import executor_for
from harness.groups import record_group, seed_groups
from harness.job import import_ahead, run_job
from harness.jobs import default_jobs
from harness.observer import Observer, RunOutcome
from harness.planning import Corpora, PlannedRun, plan_runs, selected_runs, selected_searches
from harness.recording import described
from harness.report.claims import ClaimResult, Curve, check_claims
from harness.report.settings import telling_settings
from harness.results import RunResult, SweepResult
from harness.schedule import Schedule
from harness.search.result import SearchResult
from harness.spec.sweep_file import DeclaredRun, Sweep
from harness.stacks import form_stacks
from harness.tracking import keys
from harness.tracking.environment import environment_tags
from harness.tracking.lease import Lease
from harness.tracking.read import (
    StoredRun,
    all_histories,
    find_runs,
    find_usable_runs,
    get_run,
    histories,
)
from harness.tracking.reconcile import mark_dead_runs
from harness.tracking.store import Store, refresh_statistics
from harness.tracking.view import set_view

if TYPE_CHECKING:
    from harness.tracking.recorder import Recorder


class Call:
    """One call of `run_sweep`, with the lease of its store or sweep held."""

    def __init__(
        self,
        sweep: Sweep,
        store: Store,
        experiment_id: str | None,
        only: Sequence[str],
        observer: Observer,
        lease: Lease,
    ) -> None:
        """``experiment_id`` is MLflow's experiment, None where it was not asked for yet."""
        self.sweep, self.only, self.observer = sweep, only, observer
        self.store, self._lease = store, lease
        if experiment_id is not None:
            self.experiment_id = experiment_id
        if store.is_server:
            from harness.tracking.patience import patient

            self.store = store = patient(store, observer.on_note, lease.require)
            _ = self.recorder  # delivers what an earlier call left
        killed = mark_dead_runs(store, experiment_id)
        if killed:
            count = f"{len(killed)} run{'s' if len(killed) > 1 else ''}"
            observer.on_note(f"{count} left RUNNING by a dead process: now killed, to be run again")
        self.stored = find_usable_runs(store, sweep.name)
        self.planned: list[PlannedRun] = []
        self.others: list[PlannedRun] = []
        self.outcomes: dict[str, RunOutcome] = {}  # by fingerprint
        self._records: dict[str, StoredRun] = {}
        self._curves: dict[tuple[str, str], Curve] = {}
        self._searches: tuple[SearchResult, ...] = ()
        self.corpora = Corpora(store.state_dir / ".cache" / "corpora", write=True)

    @functools.cached_property
    def experiment_id(self) -> str:
        """MLflow's experiment of the sweep, which is made where there is none."""
        from harness.tracking.experiments import ensure_mlflow_experiment

        return ensure_mlflow_experiment(self.store, self.sweep.name, described(self.sweep))

    @functools.cached_property
    def recorder(self) -> Recorder:
        """Who writes the records."""
        from harness.tracking.recorder import Recorder

        tell, require = self.observer.on_note, self._lease.require
        tags = environment_tags()
        return Recorder(self.store, self.experiment_id, tags, require=require, tell=tell)

    def plan(self, *, force: bool, experiments: bool) -> None:
        """Decide what is to be done for the selected runs, and find the others' records.

        Without ``experiments`` no run is selected.
        """
        runs = selected_runs(self.sweep, self.only) if experiments else []
        chosen = {run.name for run in runs}
        rest = [run for run in self.sweep.runs if run.name not in chosen]
        version = importlib.metadata.version("torch")
        self.planned = plan_runs(
            self.sweep, runs, self.stored, self.corpora, force=force, torch_version=version
        )
        self.others = plan_runs(self.sweep, rest, self.stored, self.corpora)
        self.observer.on_plan(self.planned)

    def train(self, jobs: int | None, *, fail_fast: bool) -> None:
        """Train what is not done and is not another run's to train."""
        runs = [run for run in self.planned if run.is_trained]
        if not runs:
            return
        jobs = jobs or default_jobs(runs)
        stacks = form_stacks(runs, jobs)
        stacked = any(run.engine == "stacked" for run in runs)
        with executor_for(min(jobs, len(stacks))) as executor:
            executor.begin(run_job, functools.partial(import_ahead, stacked=stacked))
            schedule = Schedule(
                self.sweep.name,
                self.recorder,
                self.store,
                self.observer,
                fail_fast=fail_fast,
            )
            outcomes = schedule.execute(stacks, executor)
        trained = [run for run in runs if run.name in outcomes]
        self.outcomes = {run.fingerprint: outcomes[run.name] for run in trained}
        self._records |= schedule.records

    @property
    def has_failed(self) -> bool:
        """Whether a run of this call failed."""
        return any(outcome.state == "failed" for outcome in self.outcomes.values())

    def search(self) -> None:
        """Run the selected searches, and check their claims."""
        searches = selected_searches(self.sweep, self.only)
        if searches:
            from harness.search.searches import run_searches  # Optuna takes a second to import

            self._searches = run_searches(
                self.sweep, searches, self.store, self.recorder, self.observer, self.corpora
            )

    def finish(self) -> SweepResult:
        """Aliases, groups, claims and the view; then the result."""
        for run in self.planned:
            self._share(run)
        self._record_groups()
        self._log_models()
        claims = self._check_claims()
        results = tuple(self._result(run, claims.get(run.name, ())) for run in self.planned)
        self._tag_claims(results)
        set_view(
            self.store,
            self.experiment_id,
            self._differing(),
            has_groups=any(run.seed_index is not None for run in self.sweep.runs),
            has_searches=bool(self.sweep.searches),
        )
        if self.store.is_server:
            self.recorder.settle()
        refresh_statistics(self.store)
        return SweepResult(results, self._searches, self.store.uri, self.experiment_id)

    # which record shows a run

    def _run_id(self, run: PlannedRun) -> str | None:
        """The record that shows a run: the one trained now, or the one found in the store."""
        if run.fingerprint in self.outcomes:
            return self.outcomes[run.fingerprint].run_id
        return run.stored.run_id if run.stored is not None else None

    def _record(self, run: PlannedRun) -> StoredRun | None:
        run_id = self._run_id(run)
        if run_id is None:
            return None
        if run_id not in self._records:
            known = run.stored if run.is_done and run.stored is not None else None
            self._records[run_id] = known or get_run(self.store, run_id)
        return self._records[run_id]

    def _share(self, run: PlannedRun) -> None:
        """List a run's name with the record that it shares, unless the record bears it."""
        record = self._record(run)
        if record is not None and not record.bears(self.sweep.name, run.name):
            self.recorder.add_alias(record.run_id, self.sweep.name, run.name)
            self._records[record.run_id] = get_run(self.store, record.run_id)

    def _is_own(self, run: PlannedRun, record: StoredRun) -> bool:
        """Whether the record bears the run's name, and not another that shares it."""
        return (record.sweep, record.name) == (self.sweep.name, run.name)

    def _curve(self, run_id: str, metric: str) -> Curve:
        if (run_id, metric) not in self._curves:
            self._read_curves([run_id], metric)
        return self._curves[run_id, metric]

    def _read_curves(self, run_ids: Sequence[str], metric: str) -> None:
        found = histories(self.store, run_ids, metric)
        self._curves |= {(run_id, metric): curve for run_id, curve in found.items()}

    # after training

    def _record_groups(self) -> None:
        parents = [
            run for run in self.stored if run.kind == "group" and run.sweep == self.sweep.name
        ]
        every = {run.name: run for run in (*self.planned, *self.others)}
        touched, curves_of = seed_groups(self.planned), functools.partial(all_histories, self.store)
        for name, members in seed_groups([every[run.name] for run in self.sweep.runs]).items():
            records = [(run, self._record(run)) for run in members]
            finished = [
                (run, record)
                for run, record in records
                if record is not None and record.state == "finished"
            ]
            if name in touched and len(finished) == len(records) > 1:
                record_group(self.sweep.name, name, finished, parents, curves_of, self.recorder)

    def _log_models(self) -> None:
        """The best checkpoints of what this call has selected, as MLflow's logged models."""
        from harness.models import best_runs, checkpoint_models
        from harness.tracking.models import log_models

        families: dict[str, list[StoredRun]] = {}
        for run in self.planned:
            record = self._record(run)
            if record is not None and record.sweep == self.sweep.name:
                families.setdefault(run.declared.experiment, []).append(record)
        runs = best_runs([*families.values(), *([run] for run in self._best_trials())])
        models = [model for run in runs for model in checkpoint_models(self.store, run)]
        log_models(self.store, self.experiment_id, models)

    def _best_trials(self) -> list[StoredRun]:
        """The records of the best trials that are this sweep's own; a study may outlive the store
        that its trials were recorded in."""
        best = {result.best.run_id for result in self._searches if result.best is not None}
        own = find_runs(self.store, [self.experiment_id]) if best else []
        return [run for run in own if run.run_id in best]

    def _check_claims(self) -> dict[str, tuple[ClaimResult, ...]]:
        experiments = {experiment.name: experiment for experiment in self.sweep.experiments}
        every = {run.name: run for run in (*self.planned, *self.others)}
        chosen = {run.name for run in self.planned}

        def curve_of(run: DeclaredRun, metric: str) -> Curve | None:
            run_id = self._run_id(every[run.name])
            if run_id is None:
                return {} if run.name in chosen else None
            return self._curve(run_id, metric)

        results: dict[str, tuple[ClaimResult, ...]] = {}
        for experiment in experiments.values():
            runs = [run for run in experiment.runs if run.name in chosen]
            ids = [run_id for run in runs if (run_id := self._run_id(every[run.name])) is not None]
            for metric in {claim.metric for claim in experiment.claims}:
                self._read_curves(ids, metric)  # of all runs at once: a fifth of the time
            results |= check_claims(experiment, experiments, curve_of, runs)
        return results

    def _result(self, run: PlannedRun, claims: tuple[ClaimResult, ...]) -> RunResult:
        record = self._record(run)
        if record is None:
            return RunResult(run, None, "planned", None, claims)
        outcome = self.outcomes.get(run.fingerprint)
        final = record.metrics.get(keys.TRAIN_LOSS) if record.state == "finished" else None
        message = outcome.message if outcome else record.tags.get(keys.ERROR, "")
        return RunResult(run, record.run_id, record.state, final, claims, message)

    def _tag_claims(self, results: Sequence[RunResult]) -> None:
        """`harness.expect` on each record, over all the names that show it in this call.

        Where none of them claims anything, only a call that shows the record's own name may say so.
        """
        shown: dict[str, list[RunResult]] = {}
        for result in results:
            if result.run_id is not None:
                shown.setdefault(result.run_id, []).append(result)
        for run_id, members in shown.items():
            record = self._records[run_id]
            claims = [claim.holds for result in members for claim in result.claims]
            holds = [verdict for verdict in claims if verdict is not None]
            own = any(self._is_own(result.planned, record) for result in members)
            verdict = keys.EXPECT_PASSED if all(holds) else keys.EXPECT_FAILED
            verdict = verdict if holds else keys.EXPECT_NONE
            if (holds or own) and record.tags.get(keys.EXPECT) != verdict:
                self.recorder.set_tag(run_id, keys.EXPECT, verdict)

    def _differing(self) -> list[str]:
        """The settings whose values tell the sweep's runs apart, swept ones first."""
        swept = (path for run in self.sweep.runs for path, _ in run.point)
        return telling_settings([run.config.flat() for run in self.sweep.runs], first=swept)
