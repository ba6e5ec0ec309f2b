"""What a trial's run has shown so far, whether it trains now or stands in the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from harness.spec.metrics import METRICS
from harness.spec.reductions import reduced
from harness.spec.search import Reduce


@dataclasses.dataclass
class Curves:
    """The losses from step 1 on, and the values of `val/loss` by step, ascending."""

    losses: list[float] = dataclasses.field(default_factory=list)
    evaluations: dict[int, float] = dataclasses.field(default_factory=dict)

    def add(
        self, losses: Iterable[tuple[int, float]], evaluations: Iterable[tuple[int, float]]
    ) -> None:
        """Take in the next steps, as (step, value)."""
        self.losses.extend(loss for _, loss in losses)
        self.evaluations.update(evaluations)

    def value(self, metric: str, step: int, reduce: Reduce) -> float | None:
        """A metric at ``step``, reduced over the latest values; None where it has none there.

        That is so beyond the end of a run that diverged or failed. Before there are as many values
        as `last` says, it is over those there are.
        """
        if METRICS[metric].recorded == "evaluations":
            if step not in self.evaluations:
                return None
            known = [value for at, value in self.evaluations.items() if at <= step]
        elif len(self.losses) < step:
            return None
        else:
            known = self.losses[max(0, step - reduce.last) : step]
        return reduced(known[-reduce.last :], reduce.by)
