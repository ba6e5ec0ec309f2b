"""The engines by the names that a sweep file calls them.

An engine trains a state to its last step, calling `OnSteps` as it goes, and computes what the
four lines of section 14.5 compute. To add one: a module and a line in ``ENGINES``.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.train import bare, plain
from harness.train.on_steps import OnSteps
from harness.train.state import TrainingState

__all__ = ["ENGINES", "Engine", "OnSteps"]

Engine = Callable[[TrainingState, OnSteps], None]

ENGINES: dict[str, Engine] = {
    "bare": bare.train,
    "plain": plain.train,
}
