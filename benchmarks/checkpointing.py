"""What saving a run while it trains costs it: `python benchmarks/checkpointing.py`.

The same sweep is run as a whole command with the default setting, a checkpoint once in 60 s or so
rarely that it takes at most 4 % of the time, and with one at the end alone. Both run at one time,
each on a core of its own, and change cores from round to round: what disturbs the machine meets
both. Runs that are shorter than a minute are never saved before their end; these train for
`--seconds`, so that a plain one is saved once or more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from commands import environment
from figures import HEADER, Figure, Spread, in_line, in_markdown
from machine import cores, description
from rounds import Pairs

from harness.job import run_job
from harness.job_events import Job, JobRun
from harness.planning import Corpora, plan_runs
from harness.spec.load import load_sweep

LIMIT = 1.05
CALIBRATION_S = 3.0

SMALL = {"embed_dim": 32, "num_heads": 4, "num_layers": 2, "max_seq_len": 32, "dropout": 0.1}
WIDE = {"embed_dim": 192, "num_heads": 6, "num_layers": 6, "max_seq_len": 64, "dropout": 0.1}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "plain, 27,000 weights": (SMALL, {"engine": "plain", "batch_size": 8, "seq_len": 16}, 1),
    "plain, 2.7 million weights": (WIDE, {"engine": "plain", "batch_size": 8, "seq_len": 64}, 1),
    "64 stacked": (SMALL, {"engine": "stacked", "batch_size": 4, "seq_len": 16}, 64),
}


def sweep_file(case: str, steps: int, *, by_default: bool) -> dict[str, Any]:
    """The sweep of a case; `by_default` leaves the checkpoints to the harness."""
    model, train, runs = CASES[case]
    sweep: dict[str, Any] = {
        "version": 1,
        "name": "checkpointing",
        "defaults": {
            "model": model,
            "data": {"text": "the cat sat on the mat and saw", "repeat": 500, "tokenizer": "chars"},
            "train": {**train, "steps": steps},
        },
        "experiments": {
            "a": {
                "optimizer": {"name": "adamw"},
                "matrix": {"optimizer.lr": [1e-4 * (1 + n / 100) for n in range(runs)]},
            }
        },
    }
    if not by_default:
        sweep["defaults"]["checkpoint"] = {"every": steps}
    return sweep


def steps_in(case: str, seconds: float, folder: Path) -> int:
    """How many steps the case trains in some seconds, from a training of a few."""
    seconds_of(case, 16, folder)  # what is compiled or imported first does not count
    steps = 16
    while (took := seconds_of(case, steps, folder)) < CALIBRATION_S:
        steps *= 4
    return max(1, round(steps * seconds / took))


def seconds_of(case: str, steps: int, folder: Path) -> float:
    """How long the case trains for so many steps, in this process and unrecorded."""
    path = folder / "calibration.yaml"
    path.write_text(json.dumps(sweep_file(case, steps, by_default=False)))
    sweep = load_sweep(path)
    planned = plan_runs(sweep, sweep.runs, [], Corpora(None, write=False))
    runs = tuple(
        JobRun(run.name, run.declared.config, run.corpus, run.fingerprint, folder / run.name)
        for run in planned
    )
    began = time.perf_counter()
    run_job(Job(runs), lambda _event: ())
    return time.perf_counter() - began


def started(
    case: str, steps: int, folder: Path, core: int, *, by_default: bool
) -> subprocess.Popen[bytes]:
    """`harness run` on the case, on one core, where the system can be told which."""
    folder.mkdir()
    (folder / "sweep.yaml").write_text(json.dumps(sweep_file(case, steps, by_default=by_default)))
    executable = Path(sys.executable).with_name("harness")
    pinned = {}
    if hasattr(os, "sched_setaffinity"):
        pinned["preexec_fn"] = lambda: os.sched_setaffinity(0, {core})
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [executable, "run", "sweep.yaml", "-j", "1"],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            **pinned,
        )


def one_round(case: str, steps: int, folder: Path, number: int) -> dict[str, tuple[float, float]]:
    """Seconds of the wall clock and of the processor for both arms, run at one time."""
    arms = {"default": True, "at the end": False}
    both = cores()[:2] if number % 2 else cores()[1::-1]
    began = time.perf_counter()
    processes = {
        arm: started(case, steps, folder / f"{number}-{arm[:2]}", core, by_default=by_default)
        for (arm, by_default), core in zip(arms.items(), both, strict=True)
    }
    arm_of = {process.pid: arm for arm, process in processes.items()}
    taken = {}
    while len(taken) < len(arms):
        pid, status, usage = os.wait4(-1, 0)
        arm = arm_of[pid]
        processes[arm].returncode = os.waitstatus_to_exitcode(status)
        output = (folder / f"{number}-{arm[:2]}" / "output.txt").read_text()
        assert processes[arm].returncode == 0, output
        taken[arm] = (time.perf_counter() - began, usage.ru_utime + usage.ru_stime)
    saved = {arm: _checkpoints(folder / f"{number}-{arm[:2]}") for arm in arms}
    assert saved["default"] > saved["at the end"], (
        f"nothing was saved in {taken['default'][0]:.0f} s: more --seconds"
    )
    return taken


def _checkpoints(folder: Path) -> int:
    """How many checkpoints are left; of those that were made between, one stays."""
    return len(list(folder.glob("mlruns/artifacts/*/*/artifacts/checkpoints/step_*")))


def measure(case: str, seconds: float, rounds: int, folder: Path) -> list[Figure]:
    """The ratio of both arms, by the clock and in processor time."""
    steps = steps_in(case, seconds, folder)
    taken = [one_round(case, steps, folder, number) for number in range(rounds)]
    figures = []
    for place, what in enumerate(("wall clock", "processor")):
        both = [tuple(each[arm][place] for each in taken) for arm in ("default", "at the end")]
        ratio: Spread = Pairs(*both).ratio()
        figures.append(Figure(f"{case}: default / at the end alone, {what}", ratio, limit=LIMIT))
    return figures


def main() -> None:
    arguments = _arguments()
    if len(cores()) < 2:
        raise SystemExit("each arm needs a core of its own, and this process may use one alone")
    print(description(), end="\n\n")
    rows = []
    for case in arguments.only or CASES:
        with tempfile.TemporaryDirectory() as name:
            rows += measure(case, arguments.seconds, arguments.rounds, Path(name))
    table = [HEADER, *(row.cells() for row in rows)]
    print((in_markdown if arguments.markdown else in_line)(table))
    raise SystemExit(1 if any(row.verdict == "over" for row in rows) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="The cost of checkpoints while training, with the default setting."
    )
    parser.add_argument("--rounds", type=int, default=3, help="pairs of each case (default 3)")
    parser.add_argument("--seconds", type=float, default=150, help="of each run (default 150)")
    parser.add_argument("--only", action="append", choices=list(CASES), help="one case; repeatable")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    return parser.parse_args()


if __name__ == "__main__":
    main()
