"""What follows one run while it trains: losses, evaluations, divergence, checkpoints, its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

from harness.job_events import (
    Emit,
    JobResult,
    JobRun,
    StagedCheckpoint,
    Steps,
    checkpoint_name,
)
from harness.spec.evaluations import Evaluations
from harness.spec.metrics import NEXT_TOKEN_ACCURACY, TRAIN_PERPLEXITY
from harness.spec.records import LossRecord, SavedCheckpoint

if TYPE_CHECKING:
    from harness.gpt.checkpoint import Checkpoint
    from harness.gpt.model import GPT

EMIT_INTERVAL_S = 0.25  # losses wait so long at most before they are emitted
CHECKPOINT_INTERVAL_S = 60.0  # between checkpoints where the config sets no steps, at least
MAX_SHARE = 0.04  # of the training's time that such checkpoints may take
FIRST_GUESS_S = 0.01  # what saving a small run takes, until one was saved


class Watch:
    """Hears a run's steps: collects losses, evaluates, notices divergence, saves checkpoints.

    ``checkpoint_of`` gives the run's checkpoint as it is after the step heard of last, and
    ``evaluate`` its loss on what it holds out. A run that goes on from ``saved`` was heard, and
    evaluated, up to there before. ``together`` is how many runs wait while one of them is saved:
    all of a stack.
    """

    def __init__(
        self,
        position: int,
        run: JobRun,
        checkpoint_of: Callable[[], Checkpoint],
        emit: Emit,
        saved: SavedCheckpoint | None = None,
        together: int = 1,
        evaluate: Callable[[], float] | None = None,
    ) -> None:
        self.position, self.run, self.emit = position, run, emit
        self.checkpoint_of, self.evaluate = checkpoint_of, evaluate
        self.waiting: list[float] = []  # losses up to `step` that were not emitted yet
        self.evaluated: list[tuple[int, float]] = []  # nor were these
        self.step, self.last_loss = (saved.step, saved.loss) if saved else (0, math.nan)
        self.saved_step, self.together, self.saving_s = self.step, together, FIRST_GUESS_S
        self.diverged_at: tuple[int, float] | None = None
        self.began = time.perf_counter()
        self.emitted_at = self.saved_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the run heard its last step, or diverged."""
        return self.diverged_at is not None or self.step >= self.run.config.train.steps

    @property
    def interval_s(self) -> float:
        """Seconds between two checkpoints where the config sets no steps."""
        return max(CHECKPOINT_INTERVAL_S, self.together * self.saving_s / MAX_SHARE)

    def on_steps(self, records: Sequence[LossRecord]) -> Collection[int]:
        """The hook of the engines, for this run's records alone."""
        for record in records:
            self._hear(record)
            if self.diverged_at is not None:
                return {record.run}
        self._evaluate_if_due()
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

    def _evaluate_if_due(self) -> None:
        """After a step that asks for it, `val/loss`; left out, as every metric, if not finite."""
        if self.evaluate is not None and self.step in Evaluations.of(self.run.config):
            loss = self.evaluate()
            if math.isfinite(loss):
                self.evaluated.append((self.step, loss))

    def flush(self) -> None:
        """Emit the losses that wait."""
        if self.waiting:
            losses = enumerate(self.waiting, self.step - len(self.waiting) + 1)
            self.emit(Steps(self.position, tuple(losses), tuple(self.evaluated)))
        self.waiting, self.evaluated = [], []
        self.emitted_at = time.monotonic()

    def result(self) -> JobResult:
        """How the run ended; a finished one leaves its final checkpoint and is evaluated."""
        seconds = time.perf_counter() - self.began
        self.flush()
        if self.diverged_at is not None:
            step, loss = self.diverged_at
            return self._result("diverged", seconds, step, loss)
        checkpoint = self.checkpoint_of()
        self._save(checkpoint)
        metrics = _final_metrics(checkpoint.model, self.run, self.last_loss)
        return self._result("finished", seconds, self.step, self.last_loss, metrics)

    def pruned(self) -> JobResult:
        """The end of a run that is stopped where it is: its weights are not kept."""
        self.flush()
        seconds = time.perf_counter() - self.began
        return self._result("pruned", seconds, self.step, self.last_loss)

    def _result(
        self,
        state: Literal["finished", "diverged", "pruned"],
        seconds: float,
        step: int,
        loss: float,
        metrics: dict[str, float] | None = None,
    ) -> JobResult:
        from harness.train.state import deterministic

        reproducible = deterministic(self.run.config)
        return JobResult(state, step, metrics or {}, seconds, reproducible, loss)

    def save(self) -> None:
        """Save a checkpoint of the run as it is, unless it stands where the last one was saved."""
        if self.step != self.saved_step:
            self._save(self.checkpoint_of())

    def _save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and emit it after its losses."""
        from harness.gpt.checkpoint import save_checkpoint

        self.flush()
        began = time.monotonic()
        directory = self.run.staging_dir / checkpoint_name(self.step)
        save_checkpoint(directory, checkpoint)
        self.emit(StagedCheckpoint(self.position, directory, self.step, self.last_loss))
        self.saved_at, self.saved_step = time.monotonic(), self.step
        self.saving_s = self.saved_at - began

    def _is_due(self, now: float) -> bool:
        every = self.run.config.checkpoint.every
        if self.step >= self.run.config.train.steps:
            return False  # the final one is written after training, whatever the interval
        if every is not None:
            return self.step % every == 0
        return now - self.saved_at >= self.interval_s


def _final_metrics(model: GPT, run: JobRun, last_loss: float) -> dict[str, float]:
    """Perplexity of the last loss (section 14.8.2) and the share of right rows (section 14.6)."""
    from harness.gpt.predict import accuracy, next_token_rows

    seq_len = run.config.train.seq_len
    rows = next_token_rows(model, run.corpus.head(seq_len + 1), seq_len)
    perplexity = math.exp(last_loss) if last_loss < 700 else math.inf
    return {TRAIN_PERPLEXITY: perplexity, NEXT_TOKEN_ACCURACY: accuracy(rows)}
