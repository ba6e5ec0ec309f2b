"""What the campaigns of `chaos.py` kill: four sweeps of the product, and the control's script."""

from __future__ import annotations

import dataclasses
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_KILLS = 4  # of one campaign
SCRIPT = Path(__file__).resolve().parent / "scripts" / "resumed_script.py"

MODEL = {"embed_dim": 4, "num_heads": 1, "num_layers": 1, "max_seq_len": 8, "dropout": 0.2}
DATA = {"text": "a b c", "repeat": 8, "tokenizer": "words"}
LRS = [0.003, 0.01, 0.02, 0.03, 0.05, 0.1]


def sweep_file(case: str, less: int = 1) -> dict[str, Any]:
    """The sweep of a case, of so many times fewer steps."""
    plain = {"steps": 300 // less, "batch_size": 2, "seq_len": 4, "engine": "plain"}
    stacked = {**plain, "steps": 2000 // less, "engine": "stacked"}
    some = {"matrix": {"optimizer.lr": LRS[:2]}, "train": plain, "checkpoint": {"every": 25}}
    many = {"matrix": {"optimizer.lr": LRS}, "train": stacked, "checkpoint": {"every": 200}}
    trials = {
        "train": {**plain, "engine": "stacked"},
        "checkpoint": {"every": 40},
        "metric": "train/loss",
        "direction": "minimize",
        "space": {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}},
        "sampler": {"name": "tpe", "seed": 0},
        "pruner": {"name": "successive_halving", "min_resource": 20, "reduction_factor": 2},
        "n_trials": 12,
        "parallel": 4,
    }
    experiments = {"plain": {"p": some}, "stacked": {"s": many}, "two jobs": {"p": some, "s": many}}
    defaults = {"model": MODEL, "data": DATA, "optimizer": {"name": "adamw", "lr": 0.01}}
    head = {"version": 1, "name": "chaos", "defaults": {**defaults, "train": plain}}
    if case == "search":
        return {**head, "searches": {"q": trials}}
    return {**head, "experiments": experiments[case]}


def product(case: str) -> Callable[[], None]:
    """What a process of the case does, in the current directory."""
    flags = ["-j", "2"] if case == "two jobs" else ["-j", "1"]

    def work() -> None:
        from harness.cli.main import app

        app(["run", "sweep.yaml", *flags])

    return work


def control(less: int) -> Callable[[], None]:
    """What a process of the control does, in the current directory."""

    def work() -> None:
        sys.argv = [str(SCRIPT), "1" if less > 1 else "2", str(300 // less)]
        runpy.run_path(str(SCRIPT), run_name="__main__")

    return work


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to kill."""

    name: str
    work: Callable[[], None]
    sweep: dict[str, Any] | None
    """What is in the sweep file; None for the control, which has none."""


def all_cases(less: int) -> list[Case]:
    """The product's cases, and the control after them."""
    names = ("plain", "stacked", "two jobs", "search")
    cases = [Case(name, product(name), sweep_file(name, less)) for name in names]
    return [*cases, Case("control: a script", control(less), None)]


@dataclasses.dataclass(frozen=True)
class Ground:
    """Where the campaigns are held."""

    home: Path
    store: Path | None
    """An empty store that each begins with; None where the sweep creates its own."""
    min_kills: int
    """Of one campaign, unless fewer are wanted of the case."""

    def folder(self, case: Case, name: str) -> Path:
        """A new folder for a sweep of the case."""
        folder = self.home / case.name.replace(" ", "-") / name
        (folder / "mlruns").mkdir(parents=True)
        if self.store is not None:
            shutil.copyfile(self.store, folder / "mlruns" / "mlflow.db")
        if case.sweep is not None:
            (folder / "sweep.yaml").write_text(json.dumps(case.sweep, indent=1))
        return folder


def ground(home: Path, short: bool) -> Ground:
    """The ground of the short campaigns, which are as few as can be, or of the long ones."""
    from harness.tracking.sqlite_creation import ensure_database

    store = home / "ready-made" / "mlflow.db" if short else None
    if store is not None:
        ensure_database(store)
    return Ground(home, store, min_kills=MAX_KILLS if short else 1)
