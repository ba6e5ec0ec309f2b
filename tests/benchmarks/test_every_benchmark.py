"""Each benchmark that has a command of its own can be started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    "name", ["checkpointing.py", "engines.py", "search.py", "spine.py", "stacked.py", "sweep.py"]
)
def test_a_benchmark_says_how_it_is_called(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--rounds" in done.stdout


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
