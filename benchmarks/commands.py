"""The commands that a user waits for at the prompt: `--help` and `validate`; how all are called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from chapter import SWEEP_FILE
from figures import Figure
from rounds import seconds, spread_of

LIMIT_S = 0.5
# Each names a store to MLflow: what a benchmark writes must never go to the user's own.
STORE_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_URI")
HEAVY = ("torch", "mlflow")
COMMANDS = {"--help": ["--help"], "validate experiments.yaml": ["validate", str(SWEEP_FILE)]}

# Runs the command as its entry point does, and then says which of the heavy modules are there.
COUNT_HEAVY = f"""
import sys
from harness.cli.main import main
try:
    main()
finally:
    print(sum(name in sys.modules for name in {HEAVY!r}), file=sys.stderr)
"""


def forget_the_users_store() -> None:
    """From here on this process, and what it forks, means no store but the one that it names."""
    for name in STORE_VARIABLES:
        os.environ.pop(name, None)


def environment() -> dict[str, str]:
    """This process's environment for a command that means no store but the one that it names."""
    return {name: value for name, value in os.environ.items() if name not in STORE_VARIABLES}


def harness(arguments: Sequence[str], directory: Path | None = None) -> None:
    """Run the command in `directory`, on the default store; an exit code but 0 is raised."""
    executable = Path(sys.executable).with_name("harness")
    subprocess.run(
        [executable, *arguments], cwd=directory, env=environment(), check=True, capture_output=True
    )


def python(arguments: Sequence[str], directory: Path) -> str:
    """What a script of today prints, run in `directory` on the store that it names itself."""
    quiet = {**environment(), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=directory, env=quiet, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:1])} failed:\n{done.stderr}")
    return done.stdout


def measure(rounds: int) -> list[Figure]:
    """Seconds of each command as a process of its own, and what it imports."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(lambda arguments=arguments: harness(arguments)))
    figures = []
    for name, arguments in COMMANDS.items():
        figures.append(Figure(f"harness {name}", spread_of(taken[name][1:]), "s", LIMIT_S))
        what = f"{' and '.join(HEAVY)} imported by {name.partition(' ')[0]}"
        figures.append(Figure(what, spread_of([_count_heavy(arguments)]), limit=0))
    return figures


def _count_heavy(arguments: Sequence[str]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_HEAVY, *arguments], check=True, capture_output=True, text=True
    )
    return int(done.stderr.split()[-1])
