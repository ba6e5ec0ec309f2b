"""Trials on their way through the engines: recorded like runs, and stopped at rungs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence

from harness.executors import executor_for
from harness.observer import Observer
from harness.planning import PlannedRun
from harness.schedule import Schedule
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
        self.losses: dict[str, list[float]] = {}
        """By fingerprint, from step 1."""
        self._runs: tuple[PlannedRun, ...] = ()
        self._on_rung: OnRung = lambda _step: ()

    def train(self, runs: Sequence[PlannedRun], rungs: Sequence[int], on_rung: OnRung) -> None:
        """Train runs of different fingerprints; all wait at each of ``rungs`` for ``on_rung``."""
        self._runs, self.rungs, self._on_rung = tuple(runs), tuple(rungs), on_rung
        self.losses |= {run.fingerprint: [] for run in runs}
        self.execute([self._runs], executor_for(1))

    def record_of(self, planned: PlannedRun) -> RunToRecord:
        """See `Schedule`."""
        record = super().record_of(planned)
        tags = {**record.tags, keys.TRIAL: str(planned.declared.trial), keys.STUDY: self.study}
        return dataclasses.replace(record, parent_run_id=self.parent_run_id, tags=tags)

    def hear(self, planned: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """See `Schedule`."""
        self.losses[planned.fingerprint] += [loss for _, loss in losses]
        super().hear(planned, losses)

    def resumed(self, planned: PlannedRun, losses: Sequence[float]) -> None:
        """See `Schedule`."""
        self.losses[planned.fingerprint] += losses
        super().resumed(planned, losses)

    def reached(self, step: int) -> Collection[int]:
        """See `Schedule`."""
        stopped = set(self._on_rung(step))
        return {i for i, run in enumerate(self._runs) if run.fingerprint in stopped}
