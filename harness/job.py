"""One unit of work: a stack of runs in; losses, staged checkpoints and ends out.

A job runs in this process or in a worker and touches neither MLflow nor Optuna. It says what
happens through `emit`, run by run: losses as they come, checkpoints that it has written to the
run's staging folder, and last how the run ended. Whoever receives these events records them.
Engines that train one run at a time are given the runs of the stack one after another, and a run
that fails leaves the others alone.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.executors.base import Failure
from harness.spec.records import StepRecord
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus

if TYPE_CHECKING:
    from harness.train.state import TrainingState

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


JobEvent = Steps | StagedCheckpoint | Ended
Emit = Callable[[JobEvent], None]


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint after update ``step``.

    >>> checkpoint_name(200)
    'step_000200'
    """
    return f"step_{step:06d}"


def run_job(job: Job, emit: Emit) -> None:
    """Train the runs of a stack to their ends; each is told by an `Ended`."""
    for position, run in enumerate(job.runs):
        try:
            result: JobResult | Failure = _train_alone(position, run, emit)
        except Exception as error:  # noqa: BLE001 - one run's failure is not the others'
            result = Failure.of(error)
        emit(Ended(position, result))


def _train_alone(position: int, run: JobRun, emit: Emit) -> JobResult:
    """Train one run.

    torch is imported here: the parent of worker processes, and a sweep in which everything is
    done, never need it, and it takes some two seconds.
    """
    from harness.train.engines import ENGINES
    from harness.train.state import deterministic, start

    state = start(run.config, run.corpus)
    watch = _Watch(position, run, state, emit)
    began = time.perf_counter()
    ENGINES[run.config.engine](state, watch.on_steps)
    seconds = time.perf_counter() - began
    watch.flush()
    reproducible = deterministic(run.config)
    if watch.diverged_at is not None:
        at = watch.diverged_at
        return JobResult("diverged", at.step, {}, seconds, reproducible, at.loss)
    watch.save()
    metrics = _final_metrics(state, watch.last_loss)
    return JobResult("finished", state.step, metrics, seconds, reproducible, watch.last_loss)


class _Watch:
    """The hook that an engine calls: collects losses, notices divergence, saves checkpoints."""

    def __init__(self, position: int, run: JobRun, state: TrainingState, emit: Emit) -> None:
        self.position, self.run, self.state, self.emit = position, run, state, emit
        self.waiting: list[tuple[int, float]] = []
        self.last_loss = math.nan
        self.diverged_at: StepRecord | None = None
        self.emitted_at = self.saved_at = time.monotonic()

    def on_steps(self, records: Sequence[StepRecord]) -> Collection[int]:
        for record in records:
            if not math.isfinite(record.loss):
                self.diverged_at = record
                return {record.run}
            self.waiting.append((record.step, record.loss))
            self.last_loss = record.loss
        now = time.monotonic()
        if now - self.emitted_at >= EMIT_INTERVAL_S:
            self.flush()
        if self._is_due(now):
            self.save()
        return ()

    def flush(self) -> None:
        """Emit the losses that wait."""
        if self.waiting:
            self.emit(Steps(self.position, tuple(self.waiting)))
        self.waiting = []
        self.emitted_at = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint of the state as it is, and emit it after its losses."""
        from harness.gpt.checkpoint import save_checkpoint
        from harness.train.resume import checkpoint_of

        self.flush()
        directory = self.run.staging_dir / checkpoint_name(self.state.step)
        save_checkpoint(directory, checkpoint_of(self.state, self.run.fingerprint))
        self.emit(StagedCheckpoint(self.position, directory, self.state.step, self.last_loss))
        self.saved_at = time.monotonic()

    def _is_due(self, now: float) -> bool:
        step, every = self.state.step, self.run.config.checkpoint.every
        if step >= self.run.config.train.steps:
            return False  # the final one is written after training, whatever the interval
        if every is not None:
            return step % every == 0
        return now - self.saved_at >= CHECKPOINT_INTERVAL_S


def _final_metrics(state: TrainingState, last_loss: float) -> dict[str, float]:
    """Perplexity of the last loss (section 14.8.2) and the share of right rows (section 14.6)."""
    from harness.gpt.predict import accuracy, next_token_rows

    seq_len = state.config.train.seq_len
    rows = next_token_rows(state.model, state.corpus.head(seq_len + 1), seq_len)
    perplexity = math.exp(last_loss) if last_loss < 700 else math.inf
    return {"train/perplexity": perplexity, "eval/next_token_accuracy": accuracy(rows)}
