"""One unit of work: a run config and its corpus in, step records and staged checkpoints out.

A job runs in this process or in a worker and touches neither MLflow nor Optuna. It says what
happens through `emit`: losses as they come, checkpoints that it has written to the run's staging
folder, and last how the run ended. Whoever receives these events records them.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.spec.records import StepRecord
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus

if TYPE_CHECKING:
    from harness.train.state import TrainingState

EMIT_INTERVAL_S = 0.25  # losses wait so long at most before they are emitted
CHECKPOINT_INTERVAL_S = 60.0  # between checkpoints where the config sets no steps


@dataclasses.dataclass(frozen=True)
class Job:
    """What a run needs to be trained anywhere; ``staging_dir`` is its own folder."""

    name: str
    config: RunConfig
    corpus: Corpus
    fingerprint: str
    staging_dir: Path


@dataclasses.dataclass(frozen=True)
class Steps:
    """Losses of consecutive steps, all finite, as (step, loss)."""

    losses: tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True)
class StagedCheckpoint:
    """A checkpoint, complete at ``directory``; ``loss`` is that of its step."""

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


JobEvent = Steps | StagedCheckpoint
Emit = Callable[[JobEvent], None]


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint after update ``step``.

    >>> checkpoint_name(200)
    'step_000200'
    """
    return f"step_{step:06d}"


def run_job(job: Job, emit: Emit) -> JobResult:
    """Train one run to its end; exceptions travel to the executor.

    torch is imported here: the parent of worker processes, and a sweep in which everything is
    done, never need it, and it takes some two seconds.
    """
    from harness.train.engines import ENGINES
    from harness.train.state import deterministic, start

    state = start(job.config, job.corpus)
    watch = _Watch(job, state, emit)
    began = time.perf_counter()
    ENGINES[job.config.engine](state, watch.on_steps)
    seconds = time.perf_counter() - began
    watch.flush()
    if watch.diverged_at is not None:
        at, reproducible = watch.diverged_at, deterministic(job.config)
        return JobResult("diverged", at.step, {}, seconds, reproducible, at.loss)
    watch.save()
    metrics = _final_metrics(state, watch.last_loss)
    return JobResult(
        "finished", state.step, metrics, seconds, deterministic(job.config), watch.last_loss
    )


class _Watch:
    """The hook that an engine calls: collects losses, notices divergence, saves checkpoints."""

    def __init__(self, job: Job, state: TrainingState, emit: Emit) -> None:
        self.job, self.state, self.emit = job, state, emit
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
            self.emit(Steps(tuple(self.waiting)))
        self.waiting = []
        self.emitted_at = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint of the state as it is, and emit it after its losses."""
        from harness.gpt.checkpoint import save_checkpoint
        from harness.train.resume import checkpoint_of

        self.flush()
        directory = self.job.staging_dir / checkpoint_name(self.state.step)
        save_checkpoint(directory, checkpoint_of(self.state, self.job.fingerprint))
        self.emit(StagedCheckpoint(directory, self.state.step, self.last_loss))
        self.saved_at = time.monotonic()

    def _is_due(self, now: float) -> bool:
        step, every = self.state.step, self.job.config.checkpoint.every
        if step >= self.job.config.train.steps:
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
