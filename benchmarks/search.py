"""A learning-rate search against the search of today: `python benchmarks/search.py`.

The same search three times in turn, for one sampler seed a round: the product's, and
`scripts/search_with_optuna.py` with `mlflow.log_metric` at every step and with `MLflowCallback`.
Imports are outside the clock, and all start with an empty MLflow store and an empty database of
studies that are there already; the stacked engine was compiled before. Sampler, pruner, number of
trials, enqueued trial and reports are the same; the product asks sixteen trials at once, and keeps
beside each trial's curve a checkpoint, and beside the study its plots.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from chapter import chapter_run
from commands import python
from figures import Figure, markdown_table, plain_table
from machine import description
from rounds import Pairs, spread_of

ROUNDS = 5
N_TRIALS = 64
SCRIPTS = Path(__file__).resolve().parent / "scripts"
WAYS = {
    "per-step": ("log_metric at every step", 8.0),
    "callback": ("MLflowCallback", 3.0),
}
STORAGE_LIMIT_MS = 30.0
EMPTY_STORES = {
    "product": "from harness.tracking.store import open_store; import optuna; open_store(); "
    "optuna.storages.RDBStorage('sqlite:///mlruns/optuna.db')",
    "script": "import mlflow, optuna; mlflow.set_tracking_uri('sqlite:///mlflow.db'); "
    "mlflow.search_experiments(); optuna.storages.RDBStorage('sqlite:///optuna.db')",
}


def main() -> None:
    arguments = _arguments()
    print(description(), end="\n\n")
    with tempfile.TemporaryDirectory() as name:
        sides = Sides(Path(name))
        sides.product(0)  # compiles the engine where that was never done, and warms the disk
        rounds = []
        for seed in range(arguments.rounds):
            print(f"seed {seed}: round {seed + 1} of {arguments.rounds} ...", file=sys.stderr)
            ours = sides.product(seed)
            rounds.append({"ours": ours, **{way: sides.script(seed, way) for way in WAYS}})
    print((markdown_table if arguments.markdown else plain_table)(figures_of(rounds)))


def figures_of(rounds: list[dict[str, dict[str, Any]]]) -> list[Figure]:
    """The table of some rounds, each with what every side printed."""

    def of(side: str, key: str) -> tuple[float, ...]:
        return tuple(each[side][key] for each in rounds)

    figures = []
    for way, (words, limit) in WAYS.items():
        ratio = Pairs(of(way, "seconds"), of("ours", "seconds")).ratio()
        what = f"optimize with {words} / harness, {N_TRIALS} trials"
        figures.append(Figure(what, ratio, limit=limit, at_least=True))
    figures.append(Figure("the product's search", spread_of(of("ours", "seconds")), "s"))
    best = spread_of(of("ours", "best"))
    theirs = median(of("callback", "best"))
    figures += [
        Figure("best value, the product", best, limit=theirs),
        Figure("best value, optimize", spread_of(of("callback", "best"))),
    ]
    storage = spread_of([1000 * s / N_TRIALS for s in of("ours", "storage_s")])
    return [*figures, Figure("Optuna's storage, a trial", storage, "ms", STORAGE_LIMIT_MS)]


class Sides:
    """Both ways to search, each call in a directory of its own with stores made before."""

    def __init__(self, home: Path) -> None:
        self.home, self.num_made = home, 0
        for side, lines in EMPTY_STORES.items():
            (home / side).mkdir()
            python(["-c", lines], home / side)

    def product(self, seed: int) -> dict[str, Any]:
        """What `scripts/search_with_harness.py` printed."""
        directory = self._fresh("product")
        (directory / "sweep.yaml").write_text(json.dumps(sweep_file(seed), indent=1))
        return self._timed("search_with_harness.py", ["sweep.yaml"], directory)

    def script(self, seed: int, way: str) -> dict[str, Any]:
        """What `scripts/search_with_optuna.py` printed."""
        return self._timed("search_with_optuna.py", [str(seed), way], self._fresh("script"))

    def _fresh(self, side: str) -> Path:
        self.num_made += 1
        path = self.home / f"{side}-{self.num_made}"
        shutil.copytree(self.home / side, path, symlinks=True)
        return path

    @staticmethod
    def _timed(script: str, arguments: list[str], directory: Path) -> dict[str, Any]:
        printed = python([str(SCRIPTS / script), *arguments], directory)
        return dict(json.loads(printed.splitlines()[-1]))


def sweep_file(seed: int) -> dict[str, Any]:
    """The search as the product declares it, on the chapter's run."""
    sections = chapter_run().config.model_dump(mode="json", exclude_unset=True)
    sections["train"] = {**sections["train"], "engine": "auto"}
    search = {
        "metric": "train/loss",
        "reduce": {"last": 20, "by": "mean"},
        "direction": "minimize",
        "space": {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}},
        "sampler": {"name": "tpe", "seed": seed},
        "pruner": {"name": "successive_halving", "min_resource": 25, "reduction_factor": 3},
        "n_trials": N_TRIALS,
        "parallel": 16,
        "enqueue": [{"optimizer.lr": 1e-2}],
    }
    return {"version": 1, "name": "search", "defaults": sections, "searches": {"adamw-lr": search}}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Print how fast a tracked search is, against the search of today."
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"one sampler seed each (default {ROUNDS})"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
