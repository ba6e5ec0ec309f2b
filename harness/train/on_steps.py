"""The one hook between a training and everything that watches it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from harness.spec.records import StepRecord

OnSteps = Callable[[Sequence[StepRecord]], Collection[int]]
"""Hears of steps, in order, and answers with the positions of the runs that are to stop."""
