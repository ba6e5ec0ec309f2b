"""Kills at random instants, and what is left: `python benchmarks/chaos.py --kills 300`.

Each campaign is a sweep in a directory of its own that is killed with SIGKILL, all its processes at
once, at instants drawn evenly over the time that it takes undisturbed, from one to four times, and
then run to its end. What is left is compared, bit for bit, with what an undisturbed call leaves.
The processes are forked from this one, which has imported everything, so that most kills meet work
and not imports. The control is a script that resumes as scripts do (`scripts/resumed_script.py`).

A campaign is a line of `--log FILE`; those that are there already are not repeated. `--short`, for
the tests, takes smaller sweeps, in a store that is there already: a kill costs some 3 s of CPU, and
meets work. (`tests/tracking/test_store.py` kills the creation of stores.)
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chaos_outcome
from chaos_cases import MAX_KILLS, Case, Ground, all_cases, ground
from commands import forget_the_users_store
from figures import in_line, in_markdown
from machine import description

SHORTER = 3  # how many times fewer steps the short sweeps take
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


def main() -> None:
    arguments = _arguments()
    forget_the_users_store()
    for name in IMPORTED:
        importlib.import_module(name)
    print(description(), end="\n\n")
    cases = all_cases(SHORTER if arguments.short else 1)
    log = Path(arguments.log) if arguments.log else None
    with tempfile.TemporaryDirectory() as name:
        where = ground(Path(name), arguments.short)
        num_kills = arguments.kills // (len(cases) - 1)
        found = {case.name: list(campaigns(case, where, num_kills, log)) for case in cases}
    header = ["", *(case.name for case in cases)]
    rows = [
        [key.replace("_", " "), *(str(sum(each[key] for each in found[c.name])) for c in cases)]
        for key in SUMS
    ]
    print((in_markdown if arguments.markdown else in_line)([header, *rows]))
    *of_product, of_control = found.values()
    bad = [each for of_case in of_product for each in of_case if not is_sound(each)]
    raise SystemExit(1 if bad or all(map(is_sound, of_control)) else 0)


def is_sound(campaign: dict[str, Any]) -> bool:
    """Whether nothing was lost, doubled or different."""
    wrong = (key for key in SUMS[3:])
    return campaign["bit_equal_runs"] == campaign["runs"] and not any(campaign[k] for k in wrong)


def campaigns(
    case: Case, where: Ground, num_kills: int, log: Path | None
) -> Iterator[dict[str, Any]]:
    """Campaigns of a case, until there were as many kills; those of the log come first."""
    done: list[dict[str, Any]] = []
    if log is not None and log.exists():
        lines = map(json.loads, log.read_text().splitlines())
        done = [each for each in lines if each["case"] == case.name]
    yield from done
    killed = sum(each["kills"] for each in done)
    if killed >= num_kills:
        return
    # The first that is stacked may have to compile the engine, for all that come after it.
    for name in ("first", "undisturbed") if case.name == "stacked" else ("undisturbed",):
        reference, began = where.folder(case, name), time.monotonic()
        code = _wait(_start(case, reference))
        seconds = time.monotonic() - began
        assert code == 0, (reference / "output.txt").read_text()
    wanted = chaos_outcome.read(reference)
    seed = len(done)
    while killed < num_kills:
        folder = where.folder(case, f"campaign-{seed}")
        wish = random.Random(f"{case.name} {seed}").randint(where.min_kills, MAX_KILLS)
        one = campaign(case, folder, seed, min(wish, num_kills - killed), seconds, wanted)
        killed, seed = killed + one["kills"], seed + 1
        print(json.dumps(one), file=sys.stderr, flush=True)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps(one) + "\n")
        yield one


def campaign(
    case: Case,
    folder: Path,
    seed: int,
    num_kills: int,
    seconds: float,
    wanted: chaos_outcome.Outcome,
) -> dict[str, Any]:
    """Kill a sweep some times, run it to its end, and compare."""
    draw = random.Random(f"kills of {case.name} {seed}")
    kills = failed = 0
    for _ in range(num_kills):
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
    parser.add_argument("--short", action="store_true", help="smaller sweeps, for the tests")
    parser.add_argument("--log", help="a file of campaigns, to go on from; also kept")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    return parser.parse_args()


if __name__ == "__main__":
    main()
