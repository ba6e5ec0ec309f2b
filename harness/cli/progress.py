"""A sweep as it goes: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.cli.brief import MANY, Brief
from harness.cli.search_line import search_line
from harness.errors import counted, escape
from harness.observer import Observer, RunOutcome, SearchProgress
from harness.report.formats import cell

if TYPE_CHECKING:
    from harness.planning import PlannedRun


@contextlib.contextmanager
def progress_for(*, quiet: bool) -> Iterator[Observer]:
    """The observer that suits the output; it is closed at the end."""
    if quiet:
        yield Notes()
    elif sys.stdout.isatty():
        from harness.cli.live import live_table

        with live_table() as observer:
            yield observer
    else:
        yield Lines()


class Notes(Observer):
    """Says only what the user should know."""

    def on_note(self, text: str) -> None:
        """See `Observer`."""
        print(f"harness: {escape(text)}", file=sys.stderr)


class Lines(Notes):
    """One line for each thing that happens; losses in the form of the chapter's section 14.5.

    Of a sweep of many runs there is a line now and then, and one for each that fails.
    """

    def __init__(self) -> None:
        self.num_to_train = self.num_started = 0
        self.brief: Brief | None = None

    def on_plan(self, runs: Sequence[PlannedRun]) -> None:
        """See `Observer`."""
        if not runs:
            return  # searches alone
        trained = [run for run in runs if run.is_trained]
        self.num_to_train = len(trained)
        self.brief = Brief(trained) if len(trained) > MANY else None
        done = sum(1 for run in runs if run.is_done)
        print(
            f"{counted(len(runs), 'run')}: {self.num_to_train:,} to train, {done:,} already done",
            flush=True,
        )

    def on_start(self, run: PlannedRun) -> None:
        """See `Observer`."""
        if run.declared.trial is not None or self.brief:
            return  # its end says all
        self.num_started += 1
        count = f"[{self.num_started}/{self.num_to_train}]"
        print(f"{count} {run.name} ({run.engine}, {run.reason})", flush=True)

    def on_resume(self, run: PlannedRun, step: int) -> None:
        """See `Observer`."""
        if run.declared.trial is not None:
            return
        if self.brief:
            self.brief.resumed(run, step)
            return
        print(f"{run.name}  goes on after step {step}", flush=True)

    def on_losses(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """See `Observer`."""
        if run.declared.trial is not None:
            return
        if self.brief:
            self.brief.heard(run, len(losses))
            return
        train = run.declared.config.train
        for step, loss in losses:
            if step == 1 or step % train.log_every == 0 or step == train.steps:
                print(_step_line(run, step, "loss", loss), flush=True)

    def on_evaluations(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """See `Observer`."""
        if run.declared.trial is None and not self.brief:
            for step, loss in losses:
                print(_step_line(run, step, "val/loss", loss), flush=True)

    def on_search(self, progress: SearchProgress) -> None:
        """See `Observer`."""
        print(search_line(progress), flush=True)

    def on_end(self, run: PlannedRun, outcome: RunOutcome) -> None:
        """See `Observer`."""
        if run.declared.trial is not None:
            print(f"{run.name}  {escape(outcome.message) or outcome.state}", flush=True)
            return
        if self.brief:
            self.brief.ended(run, outcome.state)
            if outcome.state != "failed":
                return
        if outcome.state != "finished":
            message = f": {escape(outcome.message)}" if outcome.message else ""
            print(f"{run.name}  {outcome.state}{message}", flush=True)
        elif outcome.seconds:
            steps = run.declared.config.train.steps
            rate = steps / outcome.seconds
            print(f"{run.name}  finished: {steps} steps, {rate:,.0f} steps/s", flush=True)


def _step_line(run: PlannedRun, step: int, name: str, loss: float) -> str:
    """The chapter's line; a loss below 0.001 has four digits, as in tables, and not zeros."""
    return f"{run.name}  step {step:>3}: {name} = {cell(loss) or loss}"
