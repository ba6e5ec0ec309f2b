"""The live table of a sweep on a terminal: what trains now, what ended last, how far it all is."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.cli.clock import Clock
from harness.cli.search_line import search_line
from harness.errors import escape
from harness.observer import Observer, RunOutcome, SearchProgress
from harness.report.formats import cell

if TYPE_CHECKING:
    from harness.planning import PlannedRun

NUM_ENDED = 10  # runs that ended last and stay in sight
MIN_RUNNING = 3  # rows of runs that train, however low the terminal is
REFRESH_PER_S = 8
COLOURS = {"finished": "green", "diverged": "yellow", "failed": "red", "killed": "red"}


class _Row:
    """A run that is training."""

    def __init__(self, run: PlannedRun) -> None:
        self.run, self.step, self.loss, self.clock = run, 0, "", Clock()


class LiveTable(Observer):
    """Keeps the rows; rich draws `renderable` some times a second."""

    def __init__(self) -> None:
        self.num_runs = self.num_done = 0
        self.num_steps = self.num_steps_done = 0
        self.running: dict[str, _Row] = {}
        self.ended: deque[tuple[str, RunOutcome, str]] = deque(maxlen=NUM_ENDED)
        self.notes: list[str] = []
        self.searches: dict[str, SearchProgress] = {}
        self.clock = Clock()

    def on_plan(self, runs: Sequence[PlannedRun]) -> None:
        """See `Observer`."""
        trained = [run for run in runs if run.is_trained]
        self.num_runs = len(trained)
        self.num_steps = sum(run.declared.config.train.steps for run in trained)

    def on_search(self, progress: SearchProgress) -> None:
        """See `Observer`."""
        self.searches[progress.name] = progress

    def on_start(self, run: PlannedRun) -> None:
        """See `Observer`."""
        if run.declared.trial is not None:
            self.num_runs += 1
            self.num_steps += run.declared.config.train.steps
        self.running[run.name] = _Row(run)

    def on_resume(self, run: PlannedRun, step: int) -> None:
        """See `Observer`."""
        self.running[run.name].step = step
        self.num_steps -= step

    def on_losses(self, run: PlannedRun, losses: Sequence[tuple[int, float]]) -> None:
        """See `Observer`."""
        row = self.running[run.name]
        step, loss = losses[-1]
        self.num_steps_done += step - row.step
        row.step, row.loss = step, cell(loss) or str(loss)

    def on_end(self, run: PlannedRun, outcome: RunOutcome) -> None:
        """See `Observer`."""
        row = self.running.pop(run.name)
        self.num_done += 1
        self.num_steps_done += run.declared.config.train.steps - row.step
        self.ended.append((run.name, outcome, row.loss))

    def on_note(self, text: str) -> None:
        """See `Observer`."""
        self.notes.append(text)

    def __rich_console__(
        self, _console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table as it is now; of a stack's many runs as many as the terminal has lines for."""
        height = options.max_height
        others = len(self.notes) + len(self.ended) + len(self.searches)
        others += 3  # the head, the runs not shown, the sum
        num_rows = max(MIN_RUNNING, height - others)
        yield from (Text(escape(note), style="yellow") for note in self.notes)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("run", "progress", "step", "loss", "steps/s", "ETA"):
            justify = "left" if column in ("run", "progress") else "right"
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        for name, outcome, loss in self.ended:
            state = Text(outcome.state, style=COLOURS.get(outcome.state, ""))
            table.add_row(Text(escape(name)), state, "", loss, "", "")
        for name, row in islice(self.running.items(), num_rows):
            table.add_row(*_cells(name, row))
        yield table
        if len(self.running) > num_rows:
            yield Text(f"and {len(self.running) - num_rows:,} more that train")
        yield from (Text(escape(search_line(each))) for each in self.searches.values())
        yield Text(self._sum())

    def _sum(self) -> str:
        if not self.num_runs:
            return "nothing to train"
        left = self.clock.time_left(self.num_steps_done, self.num_steps)
        return f"{self.num_done} of {self.num_runs} runs trained" + (
            f", {left} left" if left else ""
        )


def _cells(name: str, row: _Row) -> tuple[RenderableType, ...]:
    """A training run's row of the table."""
    steps = row.run.declared.config.train.steps
    rate = row.clock.rate(row.step)
    return (
        Text(escape(name)),
        ProgressBar(total=steps, completed=row.step, width=24),
        f"{row.step}/{steps}",
        row.loss,
        f"{rate:,.0f}" if rate else "",
        row.clock.time_left(row.step, steps),
    )


@contextlib.contextmanager
def live_table() -> Iterator[LiveTable]:
    """The table, drawn until the block ends; the last drawing is wiped, the summary follows."""
    table = LiveTable()
    console = Console(highlight=False)
    with Live(table, console=console, refresh_per_second=REFRESH_PER_S, transient=True):
        yield table
    for note in table.notes:
        console.print(Text(f"harness: {escape(note)}", style="yellow"))
