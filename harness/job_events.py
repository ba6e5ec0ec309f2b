"""What goes into a job and what comes out of it: plain data that may cross to another process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

from harness.executors.base import Failure
from harness.spec.records import SavedCheckpoint
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus


@dataclasses.dataclass(frozen=True)
class JobRun:
    """What a run needs to be trained anywhere; ``staging_dir`` is its own folder.

    ``saved`` are the checkpoints that it may go on from, the newest first.
    """

    name: str
    config: RunConfig
    corpus: Corpus
    fingerprint: str
    staging_dir: Path
    saved: tuple[SavedCheckpoint, ...] = ()


@dataclasses.dataclass(frozen=True)
class Job:
    """The runs that are trained together; events name a run by its position here.

    All are trained to the next of ``rungs`` (steps, ascending) before any goes on: then `Reached`
    is emitted, and the answer says which stop there.
    """

    runs: tuple[JobRun, ...]
    rungs: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Resumed:
    """A run that has saved checkpoints goes on after ``step``, or begins again where that is 0.

    ``unusable`` says of each newer checkpoint what is wrong with it.
    """

    run: int
    step: int
    unusable: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Steps:
    """Losses of consecutive steps of a run as (step, loss), and `val/loss` after some of them.

    All are finite.
    """

    run: int
    losses: tuple[tuple[int, float], ...]
    evaluations: tuple[tuple[int, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class StagedCheckpoint:
    """A run's checkpoint, complete at ``directory``; ``loss`` is that of its step."""

    run: int
    directory: Path
    step: int
    loss: float


@dataclasses.dataclass(frozen=True)
class JobResult:
    """How a run ended. ``metrics`` are those of the last step; ``seconds`` the training took.

    A pruned run's ``step`` is its last, and ``last_value`` the loss there. A diverged run's
    ``step`` is the one whose loss was not finite, and ``last_value`` that loss.
    """

    state: Literal["finished", "diverged", "pruned"]
    step: int
    metrics: dict[str, float]
    seconds: float
    deterministic: bool
    last_value: float


@dataclasses.dataclass(frozen=True)
class Ended:
    """A run came to its end: by itself, or by an exception."""

    run: int
    result: JobResult | Failure


@dataclasses.dataclass(frozen=True)
class Said:
    """Something the user should know: that machine code is being made first, say."""

    text: str


@dataclasses.dataclass(frozen=True)
class Reached:
    """Every run that still trains is at this step; the answer is those that stop here."""

    step: int


JobEvent = Resumed | Steps | StagedCheckpoint | Ended | Said | Reached
Emit = Callable[[JobEvent], Collection[int]]
"""Answers `Reached` with the positions of the runs to stop, everything else with none."""


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint after update ``step``.

    >>> checkpoint_name(200)
    'step_000200'
    """
    return f"step_{step:06d}"
