"""The trials that are asked together, trained from rung to rung: all wait where one may be pruned.

Trials of any shapes and engines are brought to a rung, then `Reached` asks which of them stop.
Those that stay go on from memory, to the same bits as a run that never waited: each has a state
of its own, and of the process's one random stream, which dropout draws from, each keeps its place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from harness.executors.base import Failure
from harness.job_events import Emit, Ended, JobRun, Reached, Said, TrialJob
from harness.spec.records import LossRecord
from harness.watch import Watch

if TYPE_CHECKING:
    from harness.train.stacked.run import StackedRun


class _Trainer(Protocol):
    """Trains some of the runs; `live` are the positions of those that have not ended."""

    live: set[int]

    def advance(self, until: int) -> None:
        """Train every live run to step ``until``, or to its end where that is before."""

    def prune(self, position: int) -> None:
        """End a live run where it is."""


def run_trials(job: TrialJob, emit: Emit) -> None:
    """Train trials to their ends or until they are pruned; each end is told by an `Ended`."""
    trainers = _trainers(job.runs, emit)
    last = max(run.config.train.steps for run in job.runs)
    for until in (*(rung for rung in job.rungs if rung < last), last):
        for trainer in trainers:
            trainer.advance(until)
        if until == last or not any(trainer.live for trainer in trainers):
            return
        for position in sorted(emit(Reached(until))):
            for trainer in trainers:
                if position in trainer.live:
                    trainer.prune(position)


def _trainers(runs: Sequence[JobRun], emit: Emit) -> list[_Trainer]:
    together = [i for i, run in enumerate(runs) if run.config.engine == "stacked"]
    trainers: list[_Trainer] = [
        _Alone(i, run, emit) for i, run in enumerate(runs) if i not in together
    ]
    if together:
        trainers.append(_Together(together, [runs[i] for i in together], emit))
    return trainers


class _Alone:
    """A run of an engine that trains one at a time."""

    def __init__(self, position: int, run: JobRun, emit: Emit) -> None:
        self.position, self.run, self.emit = position, run, emit
        self.live = {position}
        self._advance: Callable[[int], None] | None = None
        self._watch: Watch | None = None

    def advance(self, until: int) -> None:
        """See `_Trainer`."""
        if not self.live:
            return
        try:
            if self._advance is None:
                self._begin()
            assert self._advance is not None
            assert self._watch is not None
            self._advance(until)
            if self._watch.is_over:
                self._end(self._watch.result())
            else:
                self._watch.flush()
        except Exception as error:  # noqa: BLE001 - one trial's failure is not the others'
            self._end(Failure.of(error))

    def prune(self, position: int) -> None:
        """See `_Trainer`."""
        assert self._watch is not None
        assert position == self.position
        self._end(self._watch.pruned())

    def _end(self, result: object) -> None:
        self.live, self._advance = set(), None  # its memory is free for the others
        self.emit(Ended(self.position, result))  # type: ignore[arg-type]

    def _begin(self) -> None:
        from harness.train.engines import ENGINES
        from harness.train.random_state import KeptRandomState
        from harness.train.resume import checkpoint_of
        from harness.train.state import start

        state = start(self.run.config, self.run.corpus)
        kept = KeptRandomState(state.device)
        watch = Watch(
            self.position, self.run, lambda: checkpoint_of(state, self.run.fingerprint), self.emit
        )

        def advance(until: int) -> None:
            def on_steps(records: Sequence[LossRecord]) -> Collection[int]:
                stopped = watch.on_steps(records)
                return {0} if watch.step >= until else stopped

            if watch.step < until:
                with kept:
                    ENGINES[self.run.config.engine](state, on_steps)

        self._watch, self._advance = watch, advance


class _Together:
    """Runs of the stacked engine, of any shapes."""

    def __init__(self, positions: Sequence[int], runs: Sequence[JobRun], emit: Emit) -> None:
        self.positions, self.runs, self.emit = positions, runs, emit
        self.live = set(positions)
        self._stacked: list[StackedRun] | None = None
        self._watches: dict[int, Watch] = {}

    def advance(self, until: int) -> None:
        """See `_Trainer`."""
        try:
            self._train(until)
        except Exception as error:  # noqa: BLE001 - other engines' trials go on
            for position in sorted(self.live):
                self._end(position, Failure.of(error))

    def prune(self, position: int) -> None:
        """See `_Trainer`."""
        self._end(position, self._watches[position].pruned())

    def _end(self, position: int, result: object) -> None:
        self.live.discard(position)
        self.emit(Ended(position, result))  # type: ignore[arg-type]

    def _say(self, text: str) -> None:
        self.emit(Said(text))

    def _begin(self) -> list[StackedRun]:
        from harness.train.stacked.checkpoints import Checkpoints
        from harness.train.stacked.run import start_runs
        from harness.train.state import prepare_process

        prepare_process(self.runs[0].config)
        stacked = start_runs((run.config, run.corpus) for run in self.runs)
        checkpoints = Checkpoints()
        for position, run, trained in zip(self.positions, self.runs, stacked, strict=True):
            made = functools.partial(checkpoints.of, trained, run.fingerprint)
            self._watches[position] = Watch(position, run, made, self.emit)
        return stacked

    def _train(self, until: int) -> None:
        from harness.train.stacked.driver import train

        if not self.live:
            return
        if self._stacked is None:
            self._stacked = self._begin()
        going = [
            (position, run)
            for position, run in zip(self.positions, self._stacked, strict=True)
            if position in self.live
        ]
        watches = [self._watches[position] for position, _ in going]

        def on_steps(records: Sequence[LossRecord]) -> Collection[int]:
            stopped: set[int] = set()
            for record in records:
                watch = watches[record.run]
                stopped |= set(watch.on_steps([record]))
                if watch.is_over:
                    self._end(watch.position, watch.result())
            return stopped

        train(
            [run for _, run in going],
            on_steps,
            threads=max(run.config.train.threads for _, run in going),
            until=until,
            say=self._say,
        )
        for watch in watches:
            watch.flush()
