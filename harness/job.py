"""One unit of work: a stack of runs in; losses, staged checkpoints and ends out.

A job runs in this process or in a worker and touches neither MLflow nor Optuna. It says what
happens through `emit`, run by run: losses as they come, checkpoints that it has written to the
run's staging folder, and last how the run ended. Whoever receives these events records them.
Engines that train one run at a time are given the runs of the stack one after another, and a run
that fails leaves the others alone; the stacked engine trains them together.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

from harness.executors.base import Failure
from harness.job_events import Emit, Ended, Job, JobResult, JobRun, Said
from harness.spec.records import LossRecord
from harness.watch import Watch


def run_job(job: Job, emit: Emit) -> None:
    """Train the runs of a stack to their ends; each is told by an `Ended`.

    torch is imported in here: the parent of worker processes, and a sweep in which everything is
    done, never need it, and it takes some two seconds.
    """
    if job.runs[0].config.engine == "stacked":
        _train_together(job.runs, emit)
        return
    for position, run in enumerate(job.runs):
        try:
            result: JobResult | Failure = _train_alone(position, run, emit)
        except Exception as error:  # noqa: BLE001 - one run's failure is not the others'
            result = Failure.of(error)
        emit(Ended(position, result))


def _train_alone(position: int, run: JobRun, emit: Emit) -> JobResult:
    from harness.train.engines import ENGINES
    from harness.train.resume import checkpoint_of
    from harness.train.state import start

    state = start(run.config, run.corpus)
    watch = Watch(position, run, lambda: checkpoint_of(state, run.fingerprint), emit)
    ENGINES[run.config.engine](state, watch.on_steps)
    return watch.result()


def _train_together(runs: Sequence[JobRun], emit: Emit) -> None:
    """Train all runs in lock-step; each ends at its own last step, and what fails fails all."""
    from harness.train.stacked.checkpoints import Checkpoints
    from harness.train.stacked.driver import train
    from harness.train.stacked.run import start_runs
    from harness.train.state import prepare_process

    threads = runs[0].config.train.threads
    prepare_process(runs[0].config)
    stacked = start_runs((run.config, run.corpus) for run in runs)
    checkpoints = Checkpoints()
    watches = [
        Watch(i, run, functools.partial(checkpoints.of, stacked[i], run.fingerprint), emit)
        for i, run in enumerate(runs)
    ]

    def on_steps(records: Sequence[LossRecord]) -> Collection[int]:
        stopped: set[int] = set()
        for record in records:
            watch = watches[record.run]
            stopped |= set(watch.on_steps([record]))
            if watch.is_over:
                emit(Ended(record.run, watch.result()))
        return stopped

    train(stacked, on_steps, threads=threads, say=lambda text: _say(emit, text))


def _say(emit: Emit, text: str) -> None:
    emit(Said(text))
