"""Who wants to see a sweep as it goes, and what there is to see."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from harness.planning import PlannedRun
from harness.tracking import keys


@dataclasses.dataclass(frozen=True)
class SearchProgress:
    """How far a search is: trials by how they ended, and the best so far in a line."""

    name: str
    num_trials: int
    total: int
    states: Mapping[str, int]
    best: str


@dataclasses.dataclass(frozen=True)
class RunOutcome:
    """How a run that was trained ended; ``message`` says why where it did not finish."""

    run_id: str
    state: keys.EndState
    message: str = ""
    seconds: float | None = None


class Observer:
    """Who wants to see a sweep as it goes: a terminal, a log, a test. This one looks away."""

    def on_plan(self, runs: Sequence[PlannedRun]) -> None:
        """All runs of the call, before the first is trained."""

    def on_start(self, run: PlannedRun) -> None:
        """A run's training begins."""

    def on_resume(self, run: PlannedRun, step: int) -> None:
        """A run goes on from its checkpoint after ``step``; its losses up to there are stored."""

    def on_losses(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """Losses of consecutive steps came in, as (step, loss)."""

    def on_evaluations(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """A run was evaluated on what it holds out; `val/loss` as (step, loss)."""

    def on_end(self, run: PlannedRun, outcome: RunOutcome) -> None:
        """A run's training ended, one way or another."""

    def on_search(self, progress: SearchProgress) -> None:
        """A search begins, or a batch of its trials has ended."""

    def on_note(self, text: str) -> None:
        """Something the user should know that is not an error."""
