"""What a training says while it runs: one record a step.

The step N's loss is computed before update N, so step 1 is the untrained model's.
"""

from __future__ import annotations

from typing import NamedTuple


class StepRecord(NamedTuple):
    """The loss of one optimizer step of one run (steps count from 1)."""

    run: int  # the run's position among those given to the engine
    step: int
    loss: float
