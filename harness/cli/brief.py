"""How far a sweep of many runs is: a line now and then, instead of several for each run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli.clock import Clock

if TYPE_CHECKING:
    from harness.planning import PlannedRun

MANY = 100  # runs from which on a pipe gets this
INTERVAL_S = 5.0


class Brief:
    """Counts what happens to the runs of a call, and says it every five seconds."""

    def __init__(self, runs: Sequence[PlannedRun]) -> None:
        self.num_runs = len(runs)
        self.num_steps = sum(run.declared.config.train.steps for run in runs)
        self.states: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()  # of those that train
        self._num_steps_done = 0
        self._clock, self._said_at = Clock(), time.monotonic()

    def resumed(self, run: PlannedRun, step: int) -> None:
        """A run goes on after a step: those before it cost no time."""
        self._steps[run.name] = step
        self.num_steps -= step

    def heard(self, run: PlannedRun, num_steps: int) -> None:
        """So many more steps of a run are done."""
        self._steps[run.name] += num_steps
        self._num_steps_done += num_steps
        self._clock.rate(self._num_steps_done)  # counts from the first
        self._say()

    def ended(self, run: PlannedRun, state: str) -> None:
        """A run ended, perhaps before its last step."""
        self.states[state] += 1
        done = self._steps.pop(run.name, 0)
        if state != "finished":
            self.num_steps -= max(run.declared.config.train.steps - done, 0)
        self._say()

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= INTERVAL_S:
            self._said_at = now
            print(self.line(), flush=True)

    def line(self) -> str:
        """How far it is: `1,204 of 10,000 runs ended (3 diverged), 2:10 left`."""
        ended = self.states.total()
        others = [f"{n:,} {state}" for state, n in self.states.items() if state != "finished"]
        inside = f" ({', '.join(others)})" if others else ""
        left = self._clock.time_left(self._num_steps_done, self.num_steps)
        return f"{ended:,} of {self.num_runs:,} runs ended{inside}" + (
            f", {left} left" if left else ""
        )
