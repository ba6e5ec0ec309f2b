"""`harness run experiments.yaml`, twice: in an empty directory, and where all is done."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from chapter import SWEEP_FILE
from commands import harness
from figures import Figure
from rounds import seconds, spread_of

FIRST_LIMIT_S, SECOND_LIMIT_S = 40.0, 8.0
MAX_ROUNDS = 5  # of some ten seconds each


def measure(rounds: int) -> list[Figure]:
    """Seconds of both calls, each time in a new directory; the store's creation is in the first."""
    both = [_first_and_second() for _ in range(min(rounds, MAX_ROUNDS))]
    first, second = (spread_of(taken) for taken in zip(*both, strict=True))
    return [
        Figure("first run of experiments.yaml, store included", first, "s", FIRST_LIMIT_S),
        Figure("second run, everything finished", second, "s", SECOND_LIMIT_S),
    ]


def _first_and_second() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        shutil.copy(SWEEP_FILE, directory)

        def run() -> None:
            harness(["run", SWEEP_FILE.name], directory)

        return seconds(run), seconds(run)
