"""The steps after which a run is evaluated on what it holds out: `train.eval_every`, and the last.

Engines, claims and searches ask here, so that a claim at a step that has no `val/loss` is known
for a mistake before anything is trained.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.errors import counted

if TYPE_CHECKING:
    from harness.spec.run_config import RunConfig

HOLD_OUT = "needs tokens that are held out; set data.holdout, to 0.1 for instance"
FEW = 6  # as many steps as are named one by one


@dataclasses.dataclass(frozen=True)
class Evaluations:
    """The steps of a run of ``steps`` steps after which it is evaluated; see `Evaluations.of`."""

    steps: int
    every: int | None
    """Steps between two of them; None: after the last step alone."""
    holds_out: bool
    """Whether there is anything to evaluate on."""

    @classmethod
    def of(cls, config: RunConfig) -> Evaluations:
        """The evaluations of a run config."""
        return cls(config.train.steps, config.train.eval_every, config.data.holdout > 0)

    @property
    def interval(self) -> int:
        """Steps from one to the next; the last may come sooner."""
        return min(self.every or self.steps, self.steps)

    def __contains__(self, step: object) -> bool:
        assert isinstance(step, int)
        if not self.holds_out or not 1 <= step <= self.steps:
            return False
        return step % self.interval == 0 or step == self.steps

    def up_to(self, step: int) -> list[int]:
        """The steps up to ``step``, ascending."""
        if not self.holds_out:
            return []
        found = list(range(self.interval, min(step, self.steps) + 1, self.interval))
        return [*found, self.steps] if step >= self.steps and found[-1] != self.steps else found

    def __len__(self) -> int:
        return -(-self.steps // self.interval) if self.holds_out else 0

    def after(self, step: int) -> int:
        """The next one after ``step``, which is before the last; that of a run that holds out."""
        return min(self.steps, (step // self.interval + 1) * self.interval)

    def in_words(self) -> str:
        """Where they are.

        >>> Evaluations(100, 40, True).in_words()
        'steps 40, 80 and 100'
        >>> Evaluations(1000, 30, True).in_words()
        'every 30 steps and at the last (1,000)'
        """
        if len(self) > FEW:
            return f"every {self.interval:,} steps and at the last ({self.steps:,})"
        *steps, last = (f"{step:,}" for step in self.up_to(self.steps))
        return f"steps {', '.join(steps)} and {last}" if steps else f"step {last}"

    def counted(self) -> str:
        """How many they are: '4 evaluations'."""
        return counted(len(self), "evaluation")
