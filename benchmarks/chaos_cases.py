"""What the campaigns of `chaos.py` kill: four sweeps of the product, and the control's script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fault_cases.processes import harness, script
from fault_cases.small_sweep import DATA, MODEL, SCRIPTS, Subject, without_plots

SHORTER = 3  # how many times fewer steps the short sweeps take
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


def all_cases(store: Path | None, *, short: bool) -> list[Subject]:
    """The product's cases, and the control after them; each begins with a copy of `store`.

    The short ones draw no plots, which take long beside so few steps: kills are to meet work.
    """
    less = SHORTER if short else 1
    cases = []
    for name in ("plain", "stacked", "two jobs", "search"):
        work = harness("run", "sweep.yaml", "-j", "2" if name == "two jobs" else "1")
        work = without_plots(work) if short and name == "search" else work
        cases.append(Subject(name, work, store, sweep_file(name, less)))
    control = script(SCRIPTS / "resumed_script.py", "1" if short else "2", str(300 // less))
    return [*cases, Subject("control: a script", control, store)]
