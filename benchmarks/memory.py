"""Whether memory stays flat over a long run: all of `run_sweep`, in a process of its own.

The first reading waits until step 2,000: by then the first losses have been written (2 s in), and
with them the last code has been imported. What grows after that grows with the steps.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence

import psutil
from chapter import RUN, SWEEP_FILE
from figures import Figure
from rounds import in_fresh_process, spread_of

FIRST_STEP, LAST_STEP = 2_000, 20_000
LIMIT_MB = 5.0
MB = 2**20


def measure(_rounds: int) -> list[Figure]:
    """Growth of the resident memory between two steps of one run; one round, of a minute."""
    first, last = in_fresh_process(resident_mb)
    what = f"memory at step {LAST_STEP:,} less that at step {FIRST_STEP:,}"
    return [Figure(what, spread_of([last - first]), "MB", LIMIT_MB)]


def resident_mb() -> tuple[float, float]:
    """The resident memory of this process at both steps of the chapter's run, made longer."""
    from harness.observer import Observer
    from harness.spec.load import load_sweep
    from harness.sweep import run_sweep

    class Watch(Observer):
        def __init__(self) -> None:
            self.readings: list[float] = []

        def on_losses(self, _run: object, losses: Sequence[tuple[int, float]]) -> None:
            due = LAST_STEP if self.readings else FIRST_STEP
            if losses[-1][0] >= due and len(self.readings) < 2:
                self.readings.append(psutil.Process().memory_info().rss / MB)

    watch = Watch()
    sweep = load_sweep(SWEEP_FILE, overrides=[f"train.steps={LAST_STEP}"], only=[RUN])
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        run_sweep(sweep, tracking_uri="sqlite:///mlruns/mlflow.db", only=[RUN], observer=watch)
    first, last = watch.readings
    return first, last
