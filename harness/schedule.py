"""Planned runs in, recorded runs out: begin, train, record, publish, end.

The process that calls `execute` is the only writer. It begins a run's record right before its job
starts, writes what the job emits, and ends it with the state that the job came to: an exception of
one run fails that run, and the others go on. A signal ends what is running as killed; the next
call goes on with it, in the same record, from its newest checkpoint that is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.executors.base import Executor, Failure
from harness.interrupts import shielded
from harness.job import run_job
from harness.job_events import (
    Job,
    JobEvent,
    JobResult,
    JobRun,
    Reached,
    Resumed,
    Said,
    StagedCheckpoint,
    Steps,
    checkpoint_name,
)
from harness.observer import Observer, RunOutcome
from harness.planning import PlannedRun
from harness.recording import to_record
from harness.retention import superseded
from harness.spec.evaluations import Evaluations
from harness.spec.records import SavedCheckpoint
from harness.tracking import keys
from harness.tracking.inside import require_inside
from harness.tracking.read import StoredRun, history
from harness.tracking.record import Outcome, RunToRecord
from harness.tracking.resumable import saved_checkpoints
from harness.tracking.store import Store

if TYPE_CHECKING:
    from harness.tracking.recorder import Recorder


@dataclasses.dataclass
class _Running:
    """A run while it trains: its record, and its checkpoints as {step: loss}.

    ``losses`` and ``evaluations`` are those that an earlier attempt stored, by step.
    """

    planned: PlannedRun
    run_id: str
    checkpoints: dict[int, float] = dataclasses.field(default_factory=dict)
    losses: Mapping[int, float] = dataclasses.field(default_factory=dict)
    evaluations: Mapping[int, float] = dataclasses.field(default_factory=dict)

    def stored_up_to(self, position: int, step: int) -> Steps:
        """What an earlier attempt stored, as the run at ``position`` would tell it again."""
        losses = tuple((n, self.losses[n]) for n in range(1, step + 1))
        return Steps(position, losses, tuple(e for e in self.evaluations.items() if e[0] <= step))

    def not_evaluated(self) -> list[int]:
        """The steps up to the last stored loss whose evaluation is not stored.

        One that was not finite is among them: the run goes on from before it, to the same value.
        """
        asked = Evaluations.of(self.planned.declared.config)
        return [step for step in asked.up_to(len(self.losses)) if step not in self.evaluations]


FAILED_BEFORE = "as in the call before: it fails by its settings or its data, not by chance"


class Schedule:
    """Trains planned runs on an executor and records them; the executor's callbacks.

    Who trains trials derives from it: the runs wait at `rungs`, where `reached` says which stop;
    `record_of` is what is recorded of a run that begins, and `hear` hears its steps.
    """

    rungs: tuple[int, ...] = ()

    def __init__(
        self,
        sweep_name: str,
        recorder: Recorder,
        store: Store,
        observer: Observer,
        *,
        fail_fast: bool = False,
    ) -> None:
        self.sweep_name, self.recorder, self.observer = sweep_name, recorder, observer
        self.store, self.staging = store, store.state_dir / ".state"
        self.fail_fast = fail_fast
        self.outcomes: dict[str, RunOutcome] = {}
        self.records: dict[str, StoredRun] = {}  # of the runs that ended, by run id
        self._stacks: list[tuple[PlannedRun, ...]] = []
        self._running: dict[tuple[int, int], _Running] = {}  # by stack and place in it
        self._said: set[str] = set()

    def execute(
        self, stacks: Sequence[tuple[PlannedRun, ...]], executor: Executor
    ) -> Mapping[str, RunOutcome]:
        """Train the stacks; the outcomes by run name. What a signal cuts off becomes killed.

        Trouble of the store is raised: what cannot be ended then, the next call ends.
        """
        self._stacks = list(stacks)
        try:
            with self.recorder.batched():
                executor.run(run_job, range(len(self._stacks)), self)
        except Exception:
            with contextlib.suppress(StoreError):  # what was raised says more
                self._end_all()
            self._running.clear()
            raise
        finally:
            self._end_all()
        self.recorder.settle()
        return self.outcomes

    def _end_all(self) -> None:
        with shielded():
            for place in list(self._running):
                self._end(place, "killed", "stopped before its end")

    def record_of(self, planned: PlannedRun) -> RunToRecord:
        """A planned run as it is recorded."""
        return to_record(self.sweep_name, planned)

    def hear(self, planned: PlannedRun, steps: Steps) -> None:
        """A run's steps, once they are with the recorder."""
        self.observer.on_losses(planned, steps.losses)
        if steps.evaluations:
            self.observer.on_evaluations(planned, steps.evaluations)

    def resumed(self, planned: PlannedRun, steps: Steps) -> None:
        """A run goes on after steps that were stored before; step 1 comes first."""
        self.observer.on_resume(planned, len(steps.losses))

    def reached(self, step: int) -> Collection[int]:
        """The runs of the stack that stop at a rung, by their places in it."""
        raise AssertionError(f"no run waits at step {step}")

    def prepare(self, index: int) -> Job:
        """Begins or resumes the record of each run of a stack, and makes their job."""
        planned = enumerate(self._stacks[index])
        runs = tuple(self._start((index, position), run) for position, run in planned)
        self.recorder.commit()  # they are seen from the start
        return Job(runs, self.rungs)

    def on_event(self, index: int, event: JobEvent) -> Collection[int]:
        """Records losses, publishes checkpoints, ends runs; answers who stops at a rung."""
        if isinstance(event, Reached):
            return self.reached(event.step)
        if isinstance(event, Said):
            self._note(event.text)
            return ()
        place = (index, event.run)
        running = self._running[place]
        if isinstance(event, Resumed):
            self._go_on(running, event)
        elif isinstance(event, Steps):
            with shielded():
                self.recorder.add_steps(running.run_id, event.losses)
                self.recorder.add_points(running.run_id, keys.VAL_LOSS, event.evaluations)
            self.hear(running.planned, event)
        elif isinstance(event, StagedCheckpoint):
            with shielded():
                self._publish(running, event)
        elif isinstance(event.result, Failure):
            self._fail(place, event.result)
        else:
            self._finish(place, event.result)
        return ()

    def on_done(self, index: int, result: object) -> bool:
        """Fails the runs that a job which broke down left; False where a failure stops all."""
        if isinstance(result, Failure):
            for place in [place for place in self._running if place[0] == index]:
                self._fail(place, result)
        failed = any(outcome.state == "failed" for outcome in self.outcomes.values())
        return not (self.fail_fast and failed)

    def _start(self, place: tuple[int, int], planned: PlannedRun) -> JobRun:
        with shielded():
            running = self._running[place] = self._begin(planned)
        self.observer.on_start(planned)
        saved: tuple[SavedCheckpoint, ...] = ()
        if planned.stored is not None:
            missing = running.not_evaluated()
            saved = saved_checkpoints(self.store, running.run_id, running.losses, missing)
            running.checkpoints = {checkpoint.step: checkpoint.loss for checkpoint in saved}
            if not saved:
                self._forget_checkpoints(running, after=0)
        staging_dir = self.staging / running.run_id
        require_inside(staging_dir, self.staging)
        shutil.rmtree(staging_dir, ignore_errors=True)  # of an attempt that was cut off
        config = planned.declared.config
        return JobRun(planned.name, config, planned.corpus, planned.fingerprint, staging_dir, saved)

    def _begin(self, planned: PlannedRun) -> _Running:
        record = self.record_of(planned)
        if planned.stored is None:
            return _Running(planned, self.recorder.begin(record))
        run_id = self.recorder.resume(planned.stored.run_id, record)
        losses = history(self.store, run_id)
        evaluations = history(self.store, run_id, keys.VAL_LOSS)
        return _Running(planned, run_id, losses=losses, evaluations=evaluations)

    def _go_on(self, running: _Running, event: Resumed) -> None:
        """Hear what was heard before, and let go of checkpoints that are of no use."""
        for problem in event.unusable:
            self._note(f"{running.planned.name}: a checkpoint is of no use: {problem}")
        with shielded():
            self._forget_checkpoints(running, after=event.step)
        if event.step:
            self.resumed(running.planned, running.stored_up_to(event.run, event.step))

    def _forget_checkpoints(self, running: _Running, *, after: int) -> None:
        """Remove those of later steps: the run will make them again."""
        self.recorder.remove_checkpoints(running.run_id, after=after)
        kept = running.checkpoints
        running.checkpoints = {step: loss for step, loss in kept.items() if step <= after}

    def _note(self, text: str) -> None:
        """Pass on what a job says, once where several workers say the same."""
        if text not in self._said:
            self._said.add(text)
            self.observer.on_note(text)

    def _publish(self, running: _Running, event: StagedCheckpoint) -> None:
        """The recorder flushes first, so that a checkpoint is not ahead of its losses; that of a
        short run may be until they are committed (see `resumable`)."""
        self.recorder.flush(running.run_id)
        name = checkpoint_name(event.step)
        self.recorder.publish_checkpoint(running.run_id, event.directory, name)
        running.checkpoints[event.step] = event.loss
        config = running.planned.declared.config
        for step in superseded(running.checkpoints, config.checkpoint, config.train.steps):
            self.recorder.remove_checkpoint(running.run_id, checkpoint_name(step))
            del running.checkpoints[step]

    def _finish(self, place: tuple[int, int], result: JobResult) -> None:
        tags = {} if result.deterministic else {keys.DETERMINISTIC: "false"}
        if result.state == "finished":
            ending = Outcome("finished", result.metrics, result.step, tags)
            self._end(place, "finished", seconds=result.seconds, ending=ending)
            return
        if result.state == "pruned":
            ending = Outcome("pruned", step=result.step, tags=tags)
            message = f"pruned at step {result.step}"
            self._end(place, "pruned", message, seconds=result.seconds, ending=ending)
            return
        tags |= {keys.DIVERGED_AT: str(result.step), keys.DIVERGED_LOSS: str(result.last_value)}
        message = f"loss became {result.last_value} at step {result.step}"
        ending = Outcome("diverged", step=result.step, tags=tags)
        self._end(place, "diverged", message, seconds=result.seconds, ending=ending)

    def _fail(self, place: tuple[int, int], failure: Failure) -> None:
        if failure.disk_refused:
            raise StoreError(failure.message)
        ending = Outcome("failed", traceback_text=failure.traceback_text)
        self._end(place, "failed", failure.message, ending=ending)

    def _end(
        self,
        place: tuple[int, int],
        state: keys.EndState,
        message: str = "",
        *,
        seconds: float | None = None,
        ending: Outcome | None = None,
    ) -> None:
        """Write a run's end; a record that it replaces is superseded now, when this one is done."""
        running = self._running[place]
        planned, outcome = running.planned, RunOutcome(running.run_id, state, message, seconds)
        with shielded():
            shutil.rmtree(self.staging / running.run_id, ignore_errors=True)
            record = self.recorder.end(running.run_id, ending or Outcome(state))
            if _failed_before(planned, record):
                outcome = dataclasses.replace(outcome, message=f"{message} ({FAILED_BEFORE})")
            if planned.replaces is not None and state in keys.DONE_STATES:
                self.recorder.supersede(planned.replaces.run_id, running.run_id)
            del self._running[place]
            self.outcomes[planned.name], self.records[record.run_id] = outcome, record
        self.observer.on_end(planned, outcome)


def _failed_before(planned: PlannedRun, record: StoredRun) -> bool:
    """Whether a run that was tried again came to the same error."""
    if planned.stored is None or record.state != "failed":
        return False
    return planned.stored.tags.get(keys.ERROR) == record.tags[keys.ERROR]
