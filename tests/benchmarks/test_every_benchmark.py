"""Each benchmark that has a command of its own can be started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    "name",
    [
        "checkpointing.py",
        "engines.py",
        "reading.py",
        "search.py",
        "spine.py",
        "stacked.py",
        "sweep.py",
        "tracking.py",
    ],
)
def test_a_benchmark_says_how_it_is_called(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--rounds" in done.stdout


@pytest.mark.campaign
def test_a_store_is_filled_and_looked_at_and_it_is_not_the_users(tmp_path: Path) -> None:
    users = tmp_path / "users.db"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{users}"}
    command = [sys.executable, str(BENCHMARKS / "reading.py"), "--runs", "10", "--rounds", "1"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode in (0, 1), done.stderr  # 1: over a limit, on a busy machine
    assert done.stdout.count("10 runs of 200 steps: ") == 7, done.stderr
    assert not users.exists()


def test_every_module_of_the_benchmarks_finds_what_it_imports() -> None:
    modules = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    cases = sorted(path.stem for path in (BENCHMARKS / "fault_cases").glob("*.py"))
    modules += [f"fault_cases.{name}" for name in cases]
    imports = "; ".join(f"import {name}" for name in modules)
    command = [sys.executable, "-W", "error", "-c", imports]
    done = subprocess.run(
        command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
