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
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chaos_outcome
from chaos_cases import all_cases
from commands import forget_the_users_store
from fault_cases.processes import Command, import_all, run
from fault_cases.small_sweep import Subject
from figures import in_line, in_markdown
from machine import description

from harness.tracking.sqlite_creation import ensure_database

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


def main() -> None:
    arguments = _arguments()
    forget_the_users_store()
    import_all()
    print(description(), end="\n\n")
    log = Path(arguments.log) if arguments.log else None
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        store = home / "ready-made" / "mlflow.db" if arguments.short else None
        if store is not None:
            ensure_database(store)
        cases = all_cases(store, short=arguments.short)
        num_kills = arguments.kills // (len(cases) - 1)
        least = MAX_KILLS if arguments.short else 1  # of a campaign
        found = {c.name: list(campaigns(c, home, num_kills, least, log)) for c in cases}
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
    case: Subject, home: Path, num_kills: int, least: int, log: Path | None
) -> Iterator[dict[str, Any]]:
    """Campaigns of a case, of `least` kills or more, until there were as many; those of the log
    come first."""
    done: list[dict[str, Any]] = []
    if log is not None and log.exists():
        lines = map(json.loads, log.read_text().splitlines())
        done = [each for each in lines if each["case"] == case.name]
    yield from done
    killed = sum(each["kills"] for each in done)
    if killed >= num_kills:
        return
    # The first that is stacked may have to compile the engine, for all that come after it.
    reference = home / "undisturbed"
    for _ in range(2 if case.name == "stacked" else 1):
        case.prepare(reference)
        began = time.monotonic()
        ended = run(case.work, reference)
        seconds = time.monotonic() - began
        assert ended.code == 0, ended.output
    wanted = chaos_outcome.read(reference)
    seed = len(done)
    while killed < num_kills:
        wish = random.Random(f"{case.name} {seed}").randint(least, MAX_KILLS)
        one = campaign(case, home / "killed", seed, min(wish, num_kills - killed), seconds, wanted)
        killed, seed = killed + one["kills"], seed + 1
        print(json.dumps(one), file=sys.stderr, flush=True)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps(one) + "\n")
        yield one


def campaign(
    case: Subject,
    folder: Path,
    seed: int,
    num_kills: int,
    seconds: float,
    wanted: chaos_outcome.Outcome,
) -> dict[str, Any]:
    """Kill a sweep some times, run it to its end, and compare."""
    draw = random.Random(f"kills of {case.name} {seed}")
    kills = failed = 0
    case.prepare(folder)
    for _ in range(num_kills):
        command = Command(case.work, folder)
        time.sleep(draw.uniform(0, seconds))
        ended = command.ended()
        if ended is not None:
            failed += ended.code != 0
            break
        command.kill()
        kills += 1
    failed += run(case.work, folder).code != 0
    sums: dict[str, Any] = {"case": case.name, "seed": seed, "kills": kills, "failed_calls": failed}
    try:
        found = chaos_outcome.read(folder)
    except sqlite3.Error:
        return {**dict.fromkeys(SUMS, 0), **sums, "runs": len(wanted.runs), "stores_lost": 1}
    equal = sum(found.runs.get(name) == run for name, run in wanted.runs.items())
    if found.trials != wanted.trials:
        equal = 0
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
