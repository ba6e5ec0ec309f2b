"""One batch of trials, from rung to rung: reports in the order of their numbers, and who is pruned.

What a trial reports, whether it is pruned and how it ends follows from the losses of its run, never
from where these come from: trained now, or read from the store. So a study is the same in an empty
store and in a full one, and a batch that was cut off is played again to the same end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence

import optuna
from optuna.trial import TrialState

from harness.planning import PlannedRun
from harness.search.curves import Curves
from harness.search.values import final_values, worst_values
from harness.spec.evaluations import Evaluations
from harness.spec.metrics import METRICS
from harness.spec.reports import report_steps
from harness.spec.search import SearchConfig
from harness.tracking import keys
from harness.tracking.read import StoredRun


@dataclasses.dataclass
class BatchTrial:
    """A trial of the batch, asked of the study in memory.

    ``planned`` is None for one that is not trained: ``refused`` says what constraint it breaks, or
    ``error`` why its settings make no run. ``state`` is how it ended.
    """

    trial: optuna.Trial
    planned: PlannedRun | None
    refused: str = ""
    error: str = ""
    pruned_at: int | None = None
    state: str = ""
    record: StoredRun | None = None

    @property
    def message(self) -> str:
        """Why it was not trained, or how its run failed; empty for the others."""
        failure = self.record.tags.get(keys.ERROR, "") if self.record is not None else ""
        return self.error or self.refused or failure

    @property
    def number(self) -> int:
        """Its number in the study."""
        return self.trial.number

    @property
    def steps(self) -> int:
        """Steps of a whole run of it."""
        return self.evaluations.steps

    @property
    def evaluations(self) -> Evaluations:
        """When a whole run of it is evaluated."""
        if self.planned is None:
            return Evaluations(0, None, holds_out=False)
        return Evaluations.of(self.planned.declared.config)


@dataclasses.dataclass(frozen=True)
class Report:
    """What a trial reported."""

    trial: BatchTrial
    step: int
    value: float


CurvesOf = Callable[[PlannedRun], Curves]
"""What a run has shown so far."""


class Batch:
    """Plays the trials; ``on_reports`` hears the reports of a rung together."""

    def __init__(
        self,
        config: SearchConfig,
        study: optuna.Study,
        trials: Sequence[BatchTrial],
        curves_of: CurvesOf,
        on_reports: Callable[[Sequence[Report]], None],
    ) -> None:
        self.config, self.study, self.trials = config, study, list(trials)
        self.curves_of, self.on_reports = curves_of, on_reports
        self._reports_at = {
            evaluations: frozenset(report_steps(config, evaluations))
            for evaluations in {trial.evaluations for trial in trials}
        }
        self.rungs = tuple(sorted(frozenset().union(*self._reports_at.values())))
        self._played = 0

    def play(self, until: float = math.inf) -> Collection[str]:
        """Play the rungs up to a step; the fingerprints of the runs that no trial needs longer."""
        while self._played < len(self.rungs) and self.rungs[self._played] <= until:
            self._play(self.rungs[self._played])
            self._played += 1
        wanted = {t.planned.fingerprint for t in self.trials if t.planned and t.pruned_at is None}
        known = {t.planned.fingerprint for t in self.trials if t.planned}
        return known - wanted

    def _play(self, step: int) -> None:
        reports = []
        for trial in self.trials:
            if trial.planned is None or trial.pruned_at is not None:
                continue
            if step not in self._reports_at[trial.evaluations]:
                continue
            curves = self.curves_of(trial.planned)
            value = curves.value(self.config.metric[0], step, self.config.reduce)
            if value is None:
                continue  # it diverged or failed before
            trial.trial.report(value, step)
            reports.append(Report(trial, step, value))
            # Asked of those that stay in any case too: successive halving counts them in.
            if trial.trial.should_prune() and trial.number >= self.config.unpruned_trials:
                trial.pruned_at = step
        self.on_reports(reports)

    def tell(self, record_of: Callable[[PlannedRun], StoredRun]) -> None:
        """Tell the study how each trial ended, in order; all rungs have been played."""
        reports = []
        for trial in self.trials:
            if trial.planned is not None:
                trial.record = record_of(trial.planned)
            trial.state = self._state(trial)
            if trial.state == "finished":
                reports += self._tell_finished(trial)
            elif trial.state == "diverged":
                self.study.tell(trial.trial, worst_values(self.config))
            elif trial.state in ("pruned", "infeasible"):
                self.study.tell(trial.trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial.trial, state=TrialState.FAIL)
        self.on_reports(reports)

    def _state(self, trial: BatchTrial) -> str:
        if trial.refused:
            return "infeasible"
        if trial.record is None:
            return "failed"
        return "pruned" if trial.pruned_at is not None else trial.record.state

    def _tell_finished(self, trial: BatchTrial) -> list[Report]:
        assert trial.planned is not None
        assert trial.record is not None
        curves = self.curves_of(trial.planned)
        values = final_values(self.config, curves, trial.steps, trial.record.metrics)
        reports = []
        if len(values) == 1 and METRICS[self.config.metric[0]].recorded != "last step":
            trial.trial.report(values[0], trial.steps)
            reports.append(Report(trial, trial.steps, values[0]))
        self.study.tell(trial.trial, values)
        return reports
