"""Trials on their way through the engines: recorded like runs, and stopped at rungs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence

from harness.executors import executor_for
from harness.job_events import Steps
from harness.observer import Observer
from harness.planning import PlannedRun
from harness.schedule import Schedule
from harness.search.curves import Curves
from harness.tracking import keys
from harness.tracking.record import RunToRecord
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store

OnRung = Callable[[int], Collection[str]]
"""Hears that all trials are at a step; answers with the fingerprints of the runs to stop."""


class TrialSchedule(Schedule):
    """Trains the runs of one batch of trials together, each under the search's parent run."""

    def __init__(
        self,
        sweep_name: str,
        recorder: Recorder,
        store: Store,
        observer: Observer,
        parent_run_id: str,
        study: str,
    ) -> None:
        super().__init__(sweep_name, recorder, store, observer)
        self.parent_run_id, self.study = parent_run_id, study
        self.curves: dict[str, Curves] = {}
        """By fingerprint, of the runs that are trained here."""
        self._runs: tuple[PlannedRun, ...] = ()
        self._on_rung: OnRung = lambda _step: ()

    def train(self, runs: Sequence[PlannedRun], rungs: Sequence[int], on_rung: OnRung) -> None:
        """Train runs of different fingerprints; all wait at each of ``rungs`` for ``on_rung``."""
        self._runs, self.rungs, self._on_rung = tuple(runs), tuple(rungs), on_rung
        self.curves |= {run.fingerprint: Curves() for run in runs}
        self.execute([self._runs], executor_for(1))

    def record_of(self, planned: PlannedRun) -> RunToRecord:
        """See `Schedule`."""
        record = super().record_of(planned)
        tags = {**record.tags, keys.TRIAL: str(planned.declared.trial), keys.STUDY: self.study}
        return dataclasses.replace(record, parent_run_id=self.parent_run_id, tags=tags)

    def hear(self, planned: PlannedRun, steps: Steps) -> None:
        """See `Schedule`."""
        self.curves[planned.fingerprint].add(steps.losses, steps.evaluations)
        super().hear(planned, steps)

    def resumed(self, planned: PlannedRun, steps: Steps) -> None:
        """See `Schedule`."""
        self.curves[planned.fingerprint].add(steps.losses, steps.evaluations)
        super().resumed(planned, steps)

    def reached(self, step: int) -> Collection[int]:
        """See `Schedule`."""
        stopped = set(self._on_rung(step))
        return {i for i, run in enumerate(self._runs) if run.fingerprint in stopped}
