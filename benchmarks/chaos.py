"""Kills at random instants, and what is left: `python benchmarks/chaos.py --kills 300`.

Each campaign is a sweep in a directory of its own that is killed with SIGKILL, all its processes at
once, at instants drawn evenly over the time that it takes undisturbed, from one to four times, and
then run to its end. What is left is compared, bit for bit, with what an undisturbed call leaves.
The processes are forked from this one, which has imported everything, so that most kills meet work
and not imports. The control is a script that resumes as scripts do (`scripts/resumed_script.py`).

A campaign is a line of `--log FILE`; those that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import json
import os
import random
import runpy
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chaos_outcome
from figures import in_line, in_markdown
from machine import description

SCRIPT = Path(__file__).resolve().parent / "scripts" / "resumed_script.py"
MAX_KILLS = 4  # of one campaign
SUMS = (
    "kills",
    "runs",
    "bit_equal_runs",
    "missing_steps",
    "doubled_steps",
    "doubled_runs",
    "left_running",
    "damaged_checkpoints",
    "stores_lost",
    "failed_calls",
)
IMPORTED = (
    "torch",
    "mlflow.store.tracking.sqlalchemy_store",
    "matplotlib.pyplot",
    "plotly",
    "harness.sweep",
    "harness.search.searches",
    "harness.search.plots",
    "harness.train.stacked.driver",
    "harness.train.resume",
    "harness.gpt.checkpoint",
)

MODEL = {"embed_dim": 4, "num_heads": 1, "num_layers": 1, "max_seq_len": 8, "dropout": 0.2}
DATA = {"text": "a b c", "repeat": 8, "tokenizer": "words"}
LRS = [0.003, 0.01, 0.02, 0.03, 0.05, 0.1]


def sweep_file(case: str) -> dict[str, Any]:
    """The sweep of a case."""
    plain = {"steps": 300, "batch_size": 2, "seq_len": 4, "engine": "plain"}
    stacked = {**plain, "steps": 2000, "engine": "stacked"}
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


def control() -> None:
    """The script, in the current directory."""
    sys.argv = [str(SCRIPT), "2", "300"]
    runpy.run_path(str(SCRIPT), run_name="__main__")


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to kill."""

    name: str
    work: Callable[[], None]


CASES = [*(Case(n, product(n)) for n in ("plain", "stacked", "two jobs", "search"))]
CONTROL = Case("control: a script", control)


def main() -> None:
    arguments = _arguments()
    for name in IMPORTED:
        importlib.import_module(name)
    print(description(), end="\n\n")
    cases = [*CASES, CONTROL]
    log = Path(arguments.log) if arguments.log else None
    with tempfile.TemporaryDirectory() as name:
        found = {
            case.name: list(campaigns(case, Path(name), arguments.kills // len(CASES), log))
            for case in cases
        }
    header = ["", *(case.name for case in cases)]
    rows = [
        [key.replace("_", " "), *(str(sum(each[key] for each in found[c.name])) for c in cases)]
        for key in SUMS
    ]
    print((in_markdown if arguments.markdown else in_line)([header, *rows]))
    bad = [each for case in CASES for each in found[case.name] if not is_sound(each)]
    raise SystemExit(1 if bad or all(map(is_sound, found[CONTROL.name])) else 0)


def is_sound(campaign: dict[str, Any]) -> bool:
    """Whether nothing was lost, doubled or different."""
    wrong = (key for key in SUMS[3:])
    return campaign["bit_equal_runs"] == campaign["runs"] and not any(campaign[k] for k in wrong)


def campaigns(case: Case, home: Path, num_kills: int, log: Path | None) -> Iterator[dict[str, Any]]:
    """Campaigns of a case, until there were as many kills; those of the log come first."""
    done: list[dict[str, Any]] = []
    if log is not None and log.exists():
        lines = map(json.loads, log.read_text().splitlines())
        done = [each for each in lines if each["case"] == case.name]
    yield from done
    killed = sum(each["kills"] for each in done)
    if killed >= num_kills:
        return
    for name in ("first", "undisturbed"):  # the first may have to compile the engine
        reference, began = _folder(home, case, name), time.monotonic()
        code = _wait(_start(case, reference))
        seconds = time.monotonic() - began
        assert code == 0, (reference / "output.txt").read_text()
    wanted = chaos_outcome.read(reference)
    seed = len(done)
    while killed < num_kills:
        one = campaign(case, _folder(home, case, f"campaign-{seed}"), seed, seconds, wanted)
        killed, seed = killed + one["kills"], seed + 1
        print(json.dumps(one), file=sys.stderr, flush=True)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps(one) + "\n")
        yield one


def campaign(
    case: Case, folder: Path, seed: int, seconds: float, wanted: chaos_outcome.Outcome
) -> dict[str, Any]:
    """Kill a sweep some times, run it to its end, and compare."""
    draw = random.Random(f"{case.name} {seed}")
    kills = failed = 0
    for _ in range(draw.randint(1, MAX_KILLS)):
        pid = _start(case, folder)
        time.sleep(draw.uniform(0, seconds))
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            failed += os.waitstatus_to_exitcode(status) != 0
            break
        with contextlib.suppress(ProcessLookupError):  # it leads no group yet
            os.killpg(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
    failed += _wait(_start(case, folder)) != 0
    sums: dict[str, Any] = {"case": case.name, "seed": seed, "kills": kills, "failed_calls": failed}
    try:
        found = chaos_outcome.read(folder)
    except sqlite3.Error:
        return {**dict.fromkeys(SUMS, 0), **sums, "runs": len(wanted.runs), "stores_lost": 1}
    equal = sum(found.runs.get(name) == run for name, run in wanted.runs.items())
    if found.trials != wanted.trials:
        equal = 0
    shutil.rmtree(folder)
    return {
        **sums,
        "runs": len(wanted.runs),
        "bit_equal_runs": equal,
        "missing_steps": chaos_outcome.missing_steps(found, wanted),
        "stores_lost": 0,
        "doubled_steps": found.doubled_steps,
        "doubled_runs": found.doubled_runs,
        "left_running": found.left_running,
        "damaged_checkpoints": found.damaged_checkpoints,
    }


def _folder(home: Path, case: Case, name: str) -> Path:
    folder = home / case.name.replace(" ", "-") / name
    folder.mkdir(parents=True)
    if case is CONTROL:
        (folder / "mlruns").mkdir()
    else:
        (folder / "sweep.yaml").write_text(json.dumps(sweep_file(case.name), indent=1))
    return folder


def _start(case: Case, folder: Path) -> int:
    """Fork a process that leads a group of its own; its pid."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        output = os.open("output.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(output, stream)
        case.work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child must never return into its parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Kill sweeps at random instants, run them again, and compare what is left."
    )
    parser.add_argument("--kills", type=int, default=300, help="of the product (default 300)")
    parser.add_argument("--log", help="a file of campaigns, to go on from; also kept")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    return parser.parse_args()


if __name__ == "__main__":
    main()
