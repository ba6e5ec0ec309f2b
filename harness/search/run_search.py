"""A search from its entry to its result: ask a batch, train it, tell it; at the end, record it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from harness.interrupts import shielded
from harness.observer import SearchProgress
from harness.planning import PlannedRun
from harness.search.asking import as_runs
from harness.search.batch import Batch, BatchTrial, Report
from harness.search.context import Context, definition, study_name
from harness.search.curves import Curves
from harness.search.memory import StudyInMemory, check_same
from harness.search.parents import of_study
from harness.search.quiet import quiet
from harness.search.reading import trial_results
from harness.search.record import SearchRecord
from harness.search.result import SearchResult, best_text
from harness.search.storage_url import storage_url
from harness.search.study_log import (
    ERROR,
    RUN_ID,
    STATE,
    Asked,
    StudyLog,
    asked_with,
)
from harness.search.training import TrialSchedule
from harness.spec.sweep_file import Search
from harness.tracking.read import StoredRun


def run_search(context: Context, search: Search) -> SearchResult:
    """Run what is missing of a search: trials, and the record of them. Claims are not checked.

    Raises StoreError where a database cannot be written, Interrupted on Ctrl-C and SIGTERM.
    """
    with quiet():
        running = _Running(context, search)
        try:
            return running.run()
        finally:
            running.log.close()


def stored_result(context: Context, search: Search) -> SearchResult | None:
    """What earlier calls left of a search; None where there is no study of it."""
    with quiet():
        log = StudyLog.existing(
            storage_url(context.store.state_dir, search.config.storage),
            study_name(context, search),
        )
        if log is None:
            return None
        try:
            return _result(search, log)
        finally:
            log.close()


class _Running:
    """One search of a call."""

    def __init__(self, context: Context, search: Search) -> None:
        self.context, self.search, self.config = context, search, search.config
        self.name = study_name(context, search)
        self.log = StudyLog.open(
            storage_url(context.store.state_dir, self.config.storage),
            self.name,
            self.config.direction,
            self.config.metric,
            {
                "harness.sweep": context.sweep.name,
                "harness.search": search.name,
                "harness.definition": definition(context, search),
            },
        )
        self.memory = StudyInMemory(self.name, self.config)
        self.record = SearchRecord(
            context.recorder, context.sweep.name, search, self.name, context.stored
        )
        self.logged: dict[int, FrozenTrial] = {}
        self._curves: dict[str, Curves] = {}

    def run(self) -> SearchResult:
        began = time.monotonic()
        self.logged = {trial.number: trial for trial in self.log.trials()}
        self._give_up_foreign()
        start = min(
            (t.number for t in self.logged.values() if not t.state.is_finished()), default=None
        )
        opened = asked_with(self.logged[start]) if start is not None else None
        closed = opened.first if opened else len(self.logged)
        self.memory.take([self.logged[number] for number in range(closed)])
        result = self._result()
        missing = self._next(opened) is not None
        self._tell_progress(result)
        if not missing and self.record.covers(len(result.trials)):
            self.record.keep()
            return dataclasses.replace(result, run_id=self.record.run_id)
        self.record.begin()
        try:
            new = self._batches(opened, began)
            result = dataclasses.replace(self._result(), run_id=self.record.run_id, num_new=new)
            with shielded():
                self._end(result)
        except BaseException:
            with shielded():
                self.record.give_up()
            raise
        return result

    def _batches(self, opened: Asked | None, began: float) -> int:
        """Batches until there are as many trials as are wanted; how many trials are new."""
        new = 0
        while (asked := self._next(opened)) is not None:
            if opened is None and self._out_of_time(began):
                self.context.observer.on_note(
                    f"{self.search.name}: stopped after {self.config.timeout_s:g} s (timeout_s) "
                    f"with {asked.first} of {self._total()} trials"
                )
                break
            opened = None
            new += asked.size
            self._batch(asked)
            self._tell_progress(self._result())
        return new

    def _out_of_time(self, began: float) -> bool:
        limit = self.config.timeout_s
        return limit is not None and time.monotonic() - began >= limit

    def _total(self) -> int:
        capacity = self.memory.capacity
        return self.config.n_trials if capacity is None else min(self.config.n_trials, capacity)

    def _next(self, opened: Asked | None) -> Asked | None:
        """The next trials to ask together: those that were cut off, else up to `parallel` new."""
        if opened is not None:
            return opened
        first = self.memory.num_trials
        size = min(self.config.parallel, self._total() - first)
        return Asked(first, size) if size > 0 else None

    def _give_up_foreign(self) -> None:
        for number, trial in list(self.logged.items()):
            if not trial.state.is_finished() and asked_with(trial) is None:
                self.logged[number] = self.log.give_up(trial)
                self.context.observer.on_note(
                    f"{self.search.name}: trial {number} of the study is another program's and "
                    "has not ended: it counts as failed"
                )

    # one batch

    def _batch(self, asked: Asked) -> None:
        pairs = [self.memory.ask() for _ in asked.numbers]
        self._log_begin([trial for trial, _ in pairs], asked)
        trials = as_runs(self.context, self.search, pairs)

        def on_reports(reports: Sequence[Report]) -> None:
            with shielded():
                for report in reports:
                    logged = self.logged[report.trial.number]
                    self.log.report(logged, report.step, report.value)

        schedule = TrialSchedule(
            self.context.sweep.name,
            self.context.recorder,
            self.context.store,
            self.context.observer,
            self.record.run_id,
            self.name,
        )

        def curves_of(run: PlannedRun) -> Curves:
            trained = schedule.curves.get(run.fingerprint)
            return self._stored_curves(run) if trained is None else trained

        batch = Batch(self.config, self.memory.study, trials, curves_of, on_reports)
        trained = [t.planned for t in trials if t.planned is not None and t.planned.is_trained]
        if trained:
            schedule.train(trained, batch.rungs, batch.play)
        batch.play()
        records = self._records(trials, schedule)
        batch.tell(lambda run: records[run.fingerprint])
        with shielded():
            for trial in trials:
                self._log_end(trial)
        self.context.stored += schedule.records.values()
        self._share(trials)

    def _log_begin(self, trials: Sequence[optuna.Trial], asked: Asked) -> None:
        """Log the trials that are not in the log yet; those that are must be the same."""
        for trial in trials:
            if trial.number in self.logged:
                check_same(self.name, self.logged[trial.number], trial.params)
        with shielded():
            missing = [trial for trial in trials if trial.number not in self.logged]
            for logged in self.log.begin(missing, asked):
                self.logged[logged.number] = logged

    def _stored_curves(self, run: PlannedRun) -> Curves:
        if run.fingerprint not in self._curves:
            assert run.stored is not None
            self._curves[run.fingerprint] = self.context.curves_of(run.stored.run_id)
        return self._curves[run.fingerprint]

    def _records(
        self, trials: Sequence[BatchTrial], schedule: TrialSchedule
    ) -> dict[str, StoredRun]:
        """The record of each run of the batch, by fingerprint."""
        records = {}
        for trial in trials:
            run = trial.planned
            if run is not None and run.is_done and run.stored is not None:
                records[run.fingerprint] = run.stored
        for run_id, record in schedule.records.items():
            assert record.fingerprint is not None, run_id
            records[record.fingerprint] = record
        return records

    def _log_end(self, trial: BatchTrial) -> None:
        attrs = {STATE: trial.state}
        if trial.record is not None:
            attrs[RUN_ID] = trial.record.run_id
        if trial.message:
            attrs[ERROR] = trial.message
        logged, ended = self.logged[trial.number], self.memory.frozen(trial.number)
        self.logged[trial.number] = self.log.finish(logged, ended, attrs)

    def _share(self, trials: Sequence[BatchTrial]) -> None:
        """List a trial's name with the record of another name that has its settings."""
        for trial in trials:
            record, run, sweep = trial.record, trial.planned, self.context.sweep.name
            if record is not None and run is not None and not record.bears(sweep, run.name):
                self.context.recorder.add_alias(record.run_id, sweep, run.name)

    def _tell_progress(self, result: SearchResult) -> None:
        progress = SearchProgress(
            self.search.name, len(result.trials), self._total(), result.states, best_text(result)
        )
        self.context.observer.on_search(progress)

    # the end

    def _result(self) -> SearchResult:
        return _result(self.search, self.log, list(self.logged.values()))

    def _end(self, result: SearchResult) -> None:
        best = result.best
        curves = Curves()
        if best is not None and best.run_id is not None:
            curves = self.context.curves_of(best.run_id)
        trials = of_study(self.context.stored, self.name, "run")
        self.record.end(result, self.log, curves, trials)


def _result(
    search: Search, log: StudyLog, trials: Sequence[FrozenTrial] | None = None
) -> SearchResult:
    found = trials if trials is not None else log.trials()
    ordered = sorted(found, key=lambda trial: trial.number)
    return SearchResult(
        name=search.name,
        study=log.name,
        storage=str(log.where),
        directions=search.config.direction,
        trials=trial_results(search.config.space, ordered),
    )
