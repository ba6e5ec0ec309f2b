"""What a training says while it runs, and what it left where it was cut off.

One record is of some consecutive steps of one run. The step N's loss is computed before update N,
so step 1 is the untrained model's. A record a step cost more than the steps where 1,024 runs train
together: 0.13 us to make, and again at every pass of the garbage collector, which never lets go of
tuples with a class of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class LossRecord(NamedTuple):
    """The losses of consecutive optimizer steps of one run (steps count from 1)."""

    run: int  # the run's position among those given to the engine
    first_step: int
    losses: Sequence[float]  # at least one


@dataclasses.dataclass(frozen=True)
class SavedCheckpoint:
    """A run's checkpoint on this machine, after update ``step``, whose loss was ``loss``."""

    directory: Path
    step: int
    loss: float
