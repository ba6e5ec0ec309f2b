"""Small searches for the tests: written, run, and their trial tables compared to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import sweep_files

from harness.interrupts import Interrupted
from harness.observer import Observer
from harness.search.quiet import quiet
from harness.search.result import SearchResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep

LR = {"optimizer.lr": {"low": 1e-3, "high": 1.0, "log": True}}
HALVING = {"name": "successive_halving", "min_resource": 2, "reduction_factor": 2}


class StopAt(Observer):
    """Stops the call at the n-th thing that it hears."""

    def __init__(self, n: int) -> None:
        self.left = n

    def _heard(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted(2)

    def on_losses(self, run, losses) -> None:
        self._heard()

    def on_start(self, run) -> None:
        self._heard()

    def on_end(self, run, outcome) -> None:
        self._heard()

    def on_search(self, progress) -> None:
        self._heard()


def search(**changes: Any) -> dict[str, Any]:
    """An entry of `searches:`; eight trials of twelve steps, asked four at a time."""
    return {
        "metric": "train/loss",
        "space": LR,
        "sampler": {"name": "random"},
        "pruner": HALVING,
        "n_trials": 8,
        "parallel": 4,
        "unpruned_trials": 1,
        "train": {"steps": 12},
        **changes,
    }


def write(path: Path, **searches: dict[str, Any]) -> Path:
    """A sweep file of searches alone, but for one experiment that is quickly done."""
    sweep_files.write_sweep(path, {"a": {"train": {"steps": 1}}})
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "searches": searches}, indent=1))
    return path


def run(path: Path, only: str = "s", observer: Observer | None = None) -> SearchResult:
    """Run one search of a file in the current directory."""
    (result,) = run_sweep(load_sweep(path), only=[only], observer=observer).searches
    return result


def table(result: SearchResult) -> list[tuple[object, ...]]:
    """The trials, all that two studies must agree in."""
    return [(t.number, t.state, dict(t.params), t.values, dict(t.reports)) for t in result.trials]


def study(result: SearchResult) -> optuna.Study:
    """The study as plain Optuna opens it."""
    with quiet():
        return optuna.load_study(study_name=result.study, storage=result.storage)
