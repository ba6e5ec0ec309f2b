"""One unit of work: a stack of runs in; losses, staged checkpoints and ends out.

A job runs in this process or in a worker and touches neither MLflow nor Optuna. It says what
happens through `emit`, run by run: losses as they come, checkpoints that it has written to the
run's staging folder, and last how the run ended. Whoever receives these events records them.
Engines that train one run at a time are given the runs of the stack one after another, and a run
that fails leaves the others alone; the stacked engine trains them together.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.executors.base import Failure
from harness.spec.records import LossRecord
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus

if TYPE_CHECKING:
    from harness.gpt.checkpoint import Checkpoint
    from harness.gpt.model import GPT

EMIT_INTERVAL_S = 0.25  # losses wait so long at most before they are emitted
CHECKPOINT_INTERVAL_S = 60.0  # between checkpoints where the config sets no steps


@dataclasses.dataclass(frozen=True)
class JobRun:
    """What a run needs to be trained anywhere; ``staging_dir`` is its own folder."""

    name: str
    config: RunConfig
    corpus: Corpus
    fingerprint: str
    staging_dir: Path


@dataclasses.dataclass(frozen=True)
class Job:
    """The runs that are trained together; events name a run by its position here."""

    runs: tuple[JobRun, ...]


@dataclasses.dataclass(frozen=True)
class Steps:
    """Losses of consecutive steps of a run, all finite, as (step, loss)."""

    run: int
    losses: tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True)
class StagedCheckpoint:
    """A run's checkpoint, complete at ``directory``; ``loss`` is that of its step."""

    run: int
    directory: Path
    step: int
    loss: float


@dataclasses.dataclass(frozen=True)
class JobResult:
    """How a run ended. ``metrics`` are those of the last step; ``seconds`` the training took.

    A diverged run's ``step`` is the one whose loss was not finite, and ``last_value`` that loss.
    """

    state: Literal["finished", "diverged"]
    step: int
    metrics: dict[str, float]
    seconds: float
    deterministic: bool
    last_value: float


@dataclasses.dataclass(frozen=True)
class Ended:
    """A run came to its end: by itself, or by an exception."""

    run: int
    result: JobResult | Failure


@dataclasses.dataclass(frozen=True)
class Said:
    """Something the user should know: that machine code is being made first, say."""

    text: str


JobEvent = Steps | StagedCheckpoint | Ended | Said
Emit = Callable[[JobEvent], None]


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint after update ``step``.

    >>> checkpoint_name(200)
    'step_000200'
    """
    return f"step_{step:06d}"


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
    watch = _Watch(position, run, lambda: checkpoint_of(state, run.fingerprint), emit)
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
        _Watch(i, run, functools.partial(checkpoints.of, stacked[i], run.fingerprint), emit)
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

    train(stacked, on_steps, threads=threads, say=lambda text: emit(Said(text)))


class _Watch:
    """What follows one run: collects its losses, notices divergence, saves checkpoints.

    ``checkpoint_of`` gives the run's checkpoint as it is after the step heard of last.
    """

    def __init__(
        self, position: int, run: JobRun, checkpoint_of: Callable[[], Checkpoint], emit: Emit
    ) -> None:
        self.position, self.run, self.emit = position, run, emit
        self.checkpoint_of = checkpoint_of
        self.waiting: list[float] = []  # losses up to `step` that were not emitted yet
        self.step, self.last_loss = 0, math.nan
        self.diverged_at: tuple[int, float] | None = None
        self.began = time.perf_counter()
        self.emitted_at = self.saved_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the run heard its last step, or diverged."""
        return self.diverged_at is not None or self.step >= self.run.config.train.steps

    def on_steps(self, records: Sequence[LossRecord]) -> Collection[int]:
        """The hook of the engines, for this run's records alone."""
        for record in records:
            self._hear(record)
            if self.diverged_at is not None:
                return {record.run}
        now = time.monotonic()
        if now - self.emitted_at >= EMIT_INTERVAL_S:
            self.flush()
        if self._is_due(now):
            self._save(self.checkpoint_of())
        return ()

    def _hear(self, record: LossRecord) -> None:
        """Take a record's losses, up to the first that is not finite."""
        losses = record.losses
        if not all(map(math.isfinite, losses)):
            n = next(i for i, loss in enumerate(losses) if not math.isfinite(loss))
            self.diverged_at = (record.first_step + n, losses[n])
            losses = losses[:n]
        if losses:
            self.waiting += losses
            self.step, self.last_loss = record.first_step + len(losses) - 1, losses[-1]

    def flush(self) -> None:
        """Emit the losses that wait."""
        if self.waiting:
            first_step = self.step - len(self.waiting) + 1
            self.emit(Steps(self.position, tuple(enumerate(self.waiting, first_step))))
        self.waiting = []
        self.emitted_at = time.monotonic()

    def result(self) -> JobResult:
        """How the run ended; a finished one leaves its final checkpoint and is evaluated."""
        from harness.train.state import deterministic

        seconds = time.perf_counter() - self.began
        self.flush()
        reproducible = deterministic(self.run.config)
        if self.diverged_at is not None:
            step, loss = self.diverged_at
            return JobResult("diverged", step, {}, seconds, reproducible, loss)
        checkpoint = self.checkpoint_of()
        self._save(checkpoint)
        metrics = _final_metrics(checkpoint.model, self.run, self.last_loss)
        return JobResult("finished", self.step, metrics, seconds, reproducible, self.last_loss)

    def _save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and emit it after its losses."""
        from harness.gpt.checkpoint import save_checkpoint

        self.flush()
        directory = self.run.staging_dir / checkpoint_name(self.step)
        save_checkpoint(directory, checkpoint)
        self.emit(StagedCheckpoint(self.position, directory, self.step, self.last_loss))
        self.saved_at = time.monotonic()

    def _is_due(self, now: float) -> bool:
        every = self.run.config.checkpoint.every
        if self.step >= self.run.config.train.steps:
            return False  # the final one is written after training, whatever the interval
        if every is not None:
            return self.step % every == 0
        return now - self.saved_at >= CHECKPOINT_INTERVAL_S


def _final_metrics(model: GPT, run: JobRun, last_loss: float) -> dict[str, float]:
    """Perplexity of the last loss (section 14.8.2) and the share of right rows (section 14.6)."""
    from harness.gpt.predict import accuracy, next_token_rows

    seq_len = run.config.train.seq_len
    rows = next_token_rows(model, run.corpus.head(seq_len + 1), seq_len)
    perplexity = math.exp(last_loss) if last_loss < 700 else math.inf
    return {"train/perplexity": perplexity, "eval/next_token_accuracy": accuracy(rows)}
