"""A whole tracked sweep against the script of today: `python benchmarks/sweep.py`.

Both sides are whole processes, from the command to its exit, on a store that is there already and
with the stacked engine compiled before. The product is `harness run` of one matrix of learning
rates: every loss in MLflow, a checkpoint, an evaluation and a record of where it was made for each
run. The script is `scripts/logged.py`: the plain loop, `mlflow.log_metric` at every step, and
`log_artifact` of a checkpoint. From 128 runs on the script is timed on 64 and scaled by the runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from chapter import chapter_run
from commands import harness, python
from figures import Figure, markdown_table, plain_table
from machine import description
from rounds import Pairs, seconds, spread_of

ROUNDS = 5
SCRIPTS = Path(__file__).resolve().parent / "scripts"
MOST_SCRIPTED = 64
FEW = 16

# Case: what it is called in the help, runs, and the ratio that must be reached.
CASES = {"64": (64, 15.0), "512": (512, 80.0), "5000": (5000, 150.0)}
OTHERS = {"optuna": "with_optuna.py", "ray": "with_ray.py"}
OTHERS_NAMES = {"optuna": "Optuna's optimize", "ray": "Ray Tune on two cores"}


def main() -> None:
    arguments = _arguments()
    print(description(), end="\n\n")
    chosen = arguments.only or [*CASES, *OTHERS]
    with tempfile.TemporaryDirectory() as name:
        stores = Stores(Path(name))
        figures = [
            figure
            for case, (num_runs, limit) in CASES.items()
            if case in chosen
            for figure in against_the_script(stores, num_runs, limit, arguments.rounds)
        ]
        figures += against_others(stores, [other for other in OTHERS if other in chosen])
    print((markdown_table if arguments.markdown else plain_table)(figures))


class Stores:
    """Directories to run in, each with an empty store of its kind, made once and copied."""

    def __init__(self, home: Path) -> None:
        self.home, self.num_made = home, 0
        for side, lines in {
            "product": "from harness.tracking.store import open_store; open_store()",
            "script": "import mlflow; mlflow.set_tracking_uri('sqlite:///mlflow.db'); "
            "mlflow.search_experiments()",
        }.items():
            (home / side).mkdir()
            python(["-c", lines], home / side)

    def fresh(self, side: str) -> Path:
        """A copy of the store of `side`, in a directory of its own."""
        self.num_made += 1
        path = self.home / f"{side}-{self.num_made}"
        shutil.copytree(self.home / side, path, symlinks=True)
        return path


def against_the_script(stores: Stores, num_runs: int, limit: float, rounds: int) -> list[Figure]:
    """Script over product, in turn, round by round; and the product's seconds."""
    num_scripted = min(num_runs, MOST_SCRIPTED)
    product(stores, FEW)()  # compiles the engine where that was never done, and warms the disk
    pairs = []
    for n in range(rounds):
        print(f"{num_runs} runs: round {n + 1} of {rounds} ...", file=sys.stderr)
        ours = seconds(product(stores, num_runs))
        pairs.append((script(stores, "logged.py", num_scripted) * num_runs / num_scripted, ours))
    timed = Pairs(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))
    scaled = f" (script timed on {num_scripted}, scaled)" if num_scripted < num_runs else ""
    what = f"{num_runs} runs x {chapter_run().config.train.steps} steps"
    return [
        Figure(f"script / harness run, {what}{scaled}", timed.ratio(), limit=limit, at_least=True),
        Figure(f"harness run, {what}", spread_of(timed.b), "s"),
    ]


def against_others(stores: Stores, others: Sequence[str]) -> list[Figure]:
    """One round of few runs: the plain loop under a tool for searches, over the product."""
    figures = []
    for other in others:
        if importlib.util.find_spec(other) is None:
            print(f"{other} is not installed: pip install 'harness[bench]'", file=sys.stderr)
            continue
        print(f"{FEW} runs: {OTHERS_NAMES[other]} ...", file=sys.stderr)
        ours = seconds(product(stores, FEW))
        pair = Pairs((script(stores, OTHERS[other], FEW),), (ours,))
        what = f"{OTHERS_NAMES[other]}, the plain loop / harness run, {FEW} runs, one round"
        figures.append(Figure(what, pair.ratio()))
    return figures


def product(stores: Stores, num_runs: int) -> Callable[[], None]:
    """`harness run` of so many learning rates, in a directory of its own."""
    directory = stores.fresh("product")
    write_sweep(directory, num_runs)
    return lambda: harness(["run", "sweep.yaml"], directory)


def write_sweep(directory: Path, num_runs: int) -> None:
    """`sweep.yaml`: one stacked run of the chapter for each of so many learning rates."""
    sections = chapter_run().config.model_dump(mode="json", exclude_unset=True)
    sections["train"] = {**sections["train"], "engine": "stacked"}
    content = {
        "version": 1,
        "name": "sweep",
        "defaults": sections,
        "experiments": {"lr": {"matrix": {"optimizer.lr": rates(num_runs)}}},
    }
    (directory / "sweep.yaml").write_text(json.dumps(content, indent=1))


def script(stores: Stores, name: str, num_runs: int) -> float:
    """Seconds of a script on so many learning rates."""
    directory = stores.fresh("script")
    arguments = [str(SCRIPTS / name), *map(str, rates(num_runs))]
    return seconds(lambda: python(arguments, directory))


def rates(num_runs: int) -> list[float]:
    """So many learning rates from 1e-4 to 1e-1, evenly on a logarithmic scale."""
    return [float(f"{1e-4 * 1000 ** (i / (num_runs - 1)):.6g}") for i in range(num_runs)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Print how fast a whole tracked sweep is, against the script of today."
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of each figure (default {ROUNDS})"
    )
    parser.add_argument(
        "--only", action="append", choices=[*CASES, *OTHERS], help="one case; repeatable"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
