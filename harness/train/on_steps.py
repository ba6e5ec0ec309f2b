"""The one hook between a training and everything that watches it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from harness.spec.records import LossRecord

OnSteps = Callable[[Sequence[LossRecord]], Collection[int]]
"""Hears of steps, each run's in order, and answers with the positions of the runs to stop."""
