"""Planned runs in, recorded runs out: begin, train, record, publish, end.

The process that calls `execute` is the only writer. It begins a run's record right before its job
starts, writes what the job emits, and ends it with the state that the job came to: an exception of
one run fails that run, and the others go on. A signal ends what is running as killed; the next
call starts it again.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from harness.errors import shorten
from harness.executors.base import Executor, Failure
from harness.interrupts import shielded
from harness.job import Job, JobEvent, JobResult, StagedCheckpoint, Steps, checkpoint_name, run_job
from harness.planning import PlannedRun
from harness.retention import superseded
from harness.tracking import keys
from harness.tracking.record import DatasetInput, Outcome, RunToRecord
from harness.tracking.recorder import Recorder


class Observer(Protocol):
    """Who wants to see a sweep as it goes: a terminal, a log, a test."""

    def on_plan(self, runs: Sequence[PlannedRun]) -> None:
        """All runs of the call, before the first is trained."""

    def on_start(self, run: PlannedRun) -> None:
        """A run's training begins."""

    def on_losses(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """Losses of consecutive steps came in, as (step, loss)."""

    def on_end(self, run: PlannedRun, outcome: RunOutcome) -> None:
        """A run's training ended, one way or another."""

    def on_note(self, text: str) -> None:
        """Something the user should know that is not an error."""


@dataclasses.dataclass(frozen=True)
class RunOutcome:
    """How a run that was trained ended; ``message`` says why where it did not finish."""

    run_id: str
    state: keys.EndState
    message: str = ""
    seconds: float | None = None


class Unobserved:
    """An `Observer` that looks away."""

    def on_plan(self, runs: Sequence[PlannedRun]) -> None:
        """See `Observer`."""

    def on_start(self, run: PlannedRun) -> None:
        """See `Observer`."""

    def on_losses(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """See `Observer`."""

    def on_end(self, run: PlannedRun, outcome: RunOutcome) -> None:
        """See `Observer`."""

    def on_note(self, text: str) -> None:
        """See `Observer`."""


@dataclasses.dataclass
class _Running:
    """What is known of a run while it trains: its record and its checkpoints as {step: loss}."""

    run_id: str
    checkpoints: dict[int, float] = dataclasses.field(default_factory=dict)


class Schedule:
    """Trains planned runs on an executor and records them; the executor's callbacks."""

    def __init__(
        self,
        sweep_name: str,
        recorder: Recorder,
        state_dir: Path,
        observer: Observer,
        *,
        fail_fast: bool = False,
    ) -> None:
        self.sweep_name, self.recorder, self.observer = sweep_name, recorder, observer
        self.staging = state_dir / ".state"
        self.fail_fast = fail_fast
        self.outcomes: dict[str, RunOutcome] = {}
        self._runs: list[PlannedRun] = []
        self._running: dict[int, _Running] = {}

    def execute(self, runs: Sequence[PlannedRun], executor: Executor) -> Mapping[str, RunOutcome]:
        """Train the runs; the outcomes by run name. What a signal cut off is recorded as killed."""
        self._runs = list(runs)
        try:
            executor.run(run_job, range(len(runs)), self)
        finally:
            with shielded():
                self._end_what_is_left()
        return self.outcomes

    def prepare(self, index: int) -> Job:
        """Begins the run's record, or resumes it, and makes its job."""
        planned = self._runs[index]
        with shielded():
            run_id = self._begin(planned)
            self._running[index] = _Running(run_id)
        self.observer.on_start(planned)
        staging_dir = self.staging / run_id
        config = planned.declared.config
        return Job(planned.name, config, planned.corpus, planned.fingerprint, staging_dir)

    def on_event(self, index: int, event: JobEvent) -> None:
        """Records losses, publishes checkpoints."""
        planned, running = self._runs[index], self._running[index]
        if isinstance(event, Steps):
            with shielded():
                self.recorder.add_steps(running.run_id, event.losses)
            self.observer.on_losses(planned, event.losses)
        elif isinstance(event, StagedCheckpoint):
            with shielded():
                self._publish(planned, running, event)

    def on_done(self, index: int, result: JobResult | Failure) -> bool:
        """Ends the run's record; False when a failure is to stop everything."""
        planned, running = self._runs[index], self._running[index]
        if isinstance(result, Failure):
            outcome = RunOutcome(running.run_id, "failed", result.message)
            ending = Outcome("failed", traceback_text=result.traceback_text)
        else:
            outcome, ending = _ended(running.run_id, result)
        self._end(index, planned, outcome, ending)
        return not (self.fail_fast and outcome.state == "failed")

    def _begin(self, planned: PlannedRun) -> str:
        record = to_record(self.sweep_name, planned)
        if planned.stored is not None:
            run_id = self.recorder.resume(planned.stored.run_id, record)
            self.recorder.remove_checkpoints(run_id)  # of the attempt that did not end
            return run_id
        return self.recorder.begin(record)

    def _publish(self, planned: PlannedRun, running: _Running, event: StagedCheckpoint) -> None:
        """The recorder flushes first, so that no checkpoint is ahead of its losses."""
        self.recorder.flush(running.run_id)
        name = checkpoint_name(event.step)
        self.recorder.publish_checkpoint(running.run_id, event.directory, name)
        running.checkpoints[event.step] = event.loss
        for step in superseded(running.checkpoints, planned.declared.config.checkpoint):
            self.recorder.remove_checkpoint(running.run_id, checkpoint_name(step))
            del running.checkpoints[step]

    def _end(self, index: int, planned: PlannedRun, outcome: RunOutcome, ending: Outcome) -> None:
        with shielded():
            self.recorder.end(outcome.run_id, ending)
            if planned.replaces is not None and outcome.state in keys.DONE_STATES:
                self.recorder.supersede(planned.replaces.run_id, outcome.run_id)
            shutil.rmtree(self.staging / outcome.run_id, ignore_errors=True)
            del self._running[index]
            self.outcomes[planned.name] = outcome
        self.observer.on_end(planned, outcome)

    def _end_what_is_left(self) -> None:
        """Runs that a signal or a failure of the store left in the middle become killed."""
        for index, running in list(self._running.items()):
            outcome = RunOutcome(running.run_id, "killed", "stopped before its end")
            self._end(index, self._runs[index], outcome, Outcome("killed"))


def _ended(run_id: str, result: JobResult) -> tuple[RunOutcome, Outcome]:
    tags = {} if result.deterministic else {keys.DETERMINISTIC: "false"}
    if result.state == "finished":
        outcome = RunOutcome(run_id, "finished", seconds=result.seconds)
        return outcome, Outcome("finished", result.metrics, result.step, tags)
    message = f"loss became {result.last_value} at step {result.step}"
    tags = {**tags, keys.DIVERGED_AT: str(result.step), keys.DIVERGED_LOSS: str(result.last_value)}
    return (
        RunOutcome(run_id, "diverged", message, result.seconds),
        Outcome("diverged", step=result.step, tags=tags),
    )


def to_record(sweep_name: str, planned: PlannedRun) -> RunToRecord:
    """A planned run as it is recorded."""
    declared, config = planned.declared, planned.declared.config
    train = config.train
    source = declared.corpus.source
    tags = {**config.tags, keys.DEVICE: train.device, keys.THREADS: str(train.threads)}
    return RunToRecord(
        name=planned.name,
        sweep=sweep_name,
        experiment=declared.experiment,
        fingerprint=planned.fingerprint,
        group=planned.group,
        engine=planned.engine,
        params=config.flat(),
        tags={**tags, keys.EXPECT: keys.EXPECT_NONE},
        description=config.description,
        dataset=DatasetInput(
            name=_corpus_name(planned),
            digest=planned.corpus.digest,
            source=str(source),
        ),
    )


def _corpus_name(planned: PlannedRun) -> str:
    """What MLflow calls the dataset: the beginning of the text, or the file's name."""
    source, repeat = planned.declared.corpus.source, planned.declared.corpus.repeat
    name = Path(source.value).name if source.kind == "file" else shorten(source.value, 40)
    return f"{name} x {repeat}" if repeat > 1 else name
