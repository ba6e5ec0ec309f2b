"""The script that the product is timed against trains what the product trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LAST_LOSS = """
from plain_loop import train
losses = {}
train(0.01, losses.__setitem__)
print(len(losses), *(f"{losses[step]:.4f}" for step in (1, 10, 50, 100, 200)))
"""


def sweep(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "sweep.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_script_trains_the_chapters_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAST_LOSS],
        cwd=BENCHMARKS / "scripts",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["200", "5.2739", "1.6107", "0.3453", "0.0162", "0.0035"]


def test_every_case_is_in_the_help_and_in_the_readme() -> None:
    readme, told = (BENCHMARKS / "README.md").read_text(encoding="utf-8"), sweep("--help").stdout
    for case in ("64", "512", "5000", "optuna", "ray"):
        assert f"--only {case}" in readme
        assert case in told


def test_an_unknown_case_is_answered_with_the_known_ones() -> None:
    done = sweep("--only", "63")
    assert done.returncode == 2
    assert "choose from" in done.stderr
