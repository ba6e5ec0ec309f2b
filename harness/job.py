"""One unit of work: runs in; losses, staged checkpoints and ends out.

A job runs in this process or in a worker and touches neither MLflow nor Optuna. It says what
happens through `emit`, run by run: losses as they come, checkpoints that it has written to the
run's staging folder, and last how the run ended. Whoever receives these events records them.

Engines that train one run at a time are given the runs one after another, and a run that fails
leaves the others alone; the stacked engine trains its runs together. Where a job has rungs, all
wait at each of them, and those that stay go on from memory, to the same bits as a run that never
waited: each has a state of its own, and of the process's one random stream, which dropout draws
from, each keeps its place.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.executors.base import Failure
from harness.interrupts import deferred, give_way, is_requested
from harness.job_events import Emit, Ended, Job, JobResult, JobRun, Reached, Resumed, Said
from harness.spec.records import LossRecord
from harness.watch import Watch

if TYPE_CHECKING:
    import torch

    from harness.train.resume import Begun
    from harness.train.stacked.run import StackedRun
    from harness.train.state import TrainingState


def run_job(job: Job, emit: Emit) -> None:
    """Train the runs of a job to their ends; each is told by an `Ended`.

    A signal to stop waits for the end of a step (`interrupts.deferred`): the runs that train are
    saved where they are, and `Interrupted` is raised.

    torch is imported in here: the parent of worker processes, and a sweep in which everything is
    done, never need it, and it takes some two seconds.
    """
    trainers = _trainers(job.runs, emit)
    last = max(run.config.train.steps for run in job.runs)
    with deferred():
        for until in (*(rung for rung in job.rungs if rung < last), last):
            for trainer in trainers:
                try:
                    trainer.advance(until)
                except Exception as error:  # noqa: BLE001 - what fails one is not the others'
                    for position in sorted(trainer.live):
                        trainer.end(position, Failure.of(error))
            if until == last or not any(trainer.live for trainer in trainers):
                return
            stopped = set(emit(Reached(until)))
            for trainer in trainers:
                for position in sorted(stopped & trainer.live):
                    trainer.end(position, trainer.watches[position].pruned())


def import_ahead(*, stacked: bool) -> None:
    """Import what `run_job` will: torch, and numba where a run is `stacked`."""
    importlib.import_module("harness.train.resume")
    if stacked:
        importlib.import_module("harness.train.stacked.driver")


def _trainers(runs: Sequence[JobRun], emit: Emit) -> list[_Trainer]:
    stacked = {i: run for i, run in enumerate(runs) if run.config.engine == "stacked"}
    trainers: list[_Trainer] = [
        _Alone(i, run, emit) for i, run in enumerate(runs) if i not in stacked
    ]
    if stacked:
        trainers.append(_Together(stacked, emit))
    for trainer in trainers:
        trainer.others = [other for other in trainers if other is not trainer]
    return trainers


class _Trainer:
    """Trains some of the runs; `live` are the positions of those that have not ended."""

    def __init__(self, positions: Iterable[int], emit: Emit) -> None:
        self.live, self.emit = set(positions), emit
        self.watches: dict[int, Watch] = {}  # of those that have begun
        self.others: Sequence[_Trainer] = ()  # of the same job

    def advance(self, until: int) -> None:
        """Train every live run to step ``until``, or to its end where that is before."""
        raise NotImplementedError

    def end(self, position: int, result: JobResult | Failure) -> None:
        """Tell the end of a run, and let go of what it needed."""
        self.live.discard(position)
        self.watches.pop(position, None)
        self.emit(Ended(position, result))

    def save(self) -> None:
        """Save the runs that have begun where they are."""
        for position in sorted(self.live & self.watches.keys()):
            self.watches[position].save()

    def stop_if_asked(self) -> None:
        """Between two steps: where a signal waits, save what trains and what waits, and give way.

        What trains comes first: to save another puts that one's random streams in place of its own.
        """
        if is_requested():
            for trainer in (self, *self.others):
                trainer.save()
            give_way()

    def begin(self, position: int, run: JobRun) -> Begun:
        """A run at its start or, where it has checkpoints, where it goes on; that is told."""
        from harness.train.resume import begin_or_resume

        begun = begin_or_resume(run.config, run.corpus, run.fingerprint, run.saved)
        if run.saved:
            self.emit(Resumed(position, begun.state.step, begun.unusable))
        return begun


class _Alone(_Trainer):
    """A run of an engine that trains one at a time."""

    def __init__(self, position: int, run: JobRun, emit: Emit) -> None:
        super().__init__([position], emit)
        self.position, self.run = position, run
        self._state: TrainingState | None = None
        self._streams: Mapping[str, torch.Tensor] | None = None  # None: the process's are its own

    def advance(self, until: int) -> None:
        """See `_Trainer`."""
        if not self.live:
            return
        if self._state is None:
            self._state = self._begin()
        watch = self.watches[self.position]
        if watch.step < until:
            self._train(self._state, watch, until)
        if watch.is_over:
            self.end(self.position, watch.result())
        else:
            watch.flush()

    def end(self, position: int, result: JobResult | Failure) -> None:
        """See `_Trainer`."""
        self._state = None
        super().end(position, result)

    def save(self) -> None:
        """See `_Trainer`."""
        if self._state is not None:
            self._take_up(self._state)
        super().save()

    def _take_up(self, state: TrainingState) -> None:
        """The process's random streams go on where this run left them, whoever drew since."""
        from harness.gpt.seed import set_random_streams

        if self._streams is not None:
            set_random_streams(self._streams, state.device)
            self._streams = None

    def _begin(self) -> TrainingState:
        from harness.gpt.seed import random_streams
        from harness.train.evaluation import evaluation_of
        from harness.train.resume import checkpoint_of

        begun = self.begin(self.position, self.run)
        state = begun.state
        if begun.saved is not None:
            self._streams = random_streams(state.device)
        made = functools.partial(checkpoint_of, state, self.run.fingerprint)
        evaluate = evaluation_of(state.config, state.held_out, lambda: state.model)
        watch = Watch(self.position, self.run, made, self.emit, begun.saved, evaluate=evaluate)
        self.watches[self.position] = watch
        return state

    def _train(self, state: TrainingState, watch: Watch, until: int) -> None:
        from harness.gpt.seed import random_streams
        from harness.train.engines import ENGINES

        def on_steps(records: Sequence[LossRecord]) -> Collection[int]:
            stopped = watch.on_steps(records)
            if not watch.is_over:
                self.stop_if_asked()
            return {0} if watch.step >= until else stopped

        self._take_up(state)
        ENGINES[self.run.config.engine](state, on_steps)
        self._streams = random_streams(state.device)


class _Together(_Trainer):
    """Runs of the stacked engine, of any shapes, in lock-step; what fails fails all of them."""

    def __init__(self, runs: Mapping[int, JobRun], emit: Emit) -> None:
        super().__init__(runs, emit)
        self.runs = runs
        self._stacked: dict[int, StackedRun] = {}

    def advance(self, until: int) -> None:
        """See `_Trainer`."""
        from harness.train.stacked.driver import train

        if not self.live:
            return
        if not self._stacked:
            self._begin()
        going = sorted(self.live)
        watches = [self.watches[position] for position in going]

        def on_steps(records: Sequence[LossRecord]) -> Collection[int]:
            stopped: set[int] = set()
            for record in records:
                watch = watches[record.run]
                stopped |= set(watch.on_steps([record]))
                if watch.is_over:
                    self.end(watch.position, watch.result())
            self.stop_if_asked()
            return stopped

        threads = max(self.runs[position].config.train.threads for position in going)
        stacked = [self._stacked[position] for position in going]
        train(stacked, on_steps, threads=threads, until=until, say=self._say)
        for position in sorted(self.live):
            watch = self.watches[position]
            if watch.is_over:  # it went on from its last step
                self.end(position, watch.result())
            else:
                watch.flush()

    def _say(self, text: str) -> None:
        self.emit(Said(text))

    def _begin(self) -> None:
        from harness.train.stacked.checkpoints import Checkpoints
        from harness.train.stacked.run import run_of, start_runs
        from harness.train.state import prepare_process

        prepare_process(next(iter(self.runs.values())).config)
        new = [position for position, run in self.runs.items() if not run.saved]
        configs = ((self.runs[position].config, self.runs[position].corpus) for position in new)
        started = dict(zip(new, start_runs(configs), strict=True))
        checkpoints = Checkpoints()
        for position, run in self.runs.items():
            saved = None
            if position not in started:
                begun = self.begin(position, run)
                started[position], saved = run_of(begun.state), begun.saved
            made = functools.partial(checkpoints.of, started[position], run.fingerprint)
            together, evaluate = len(self.runs), checkpoints.evaluation_of(started[position])
            watch = Watch(position, run, made, self.emit, saved, together, evaluate)
            self.watches[position] = watch
        self._stacked = {position: started[position] for position in self.runs}
