"""Some of the faults whose table is in docs/reliability.md; the controls must fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def faults(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "faults.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_some_faults_end_well_and_their_controls_do_not() -> None:
    done = faults("--tries", "12", "--only", "saving", "--only", "damaged_files")
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [line.split("  ")[-1].strip() for line in done.stdout.splitlines()[4:]]
    assert verdicts == ["ok"] * 12


def test_an_unknown_case_is_answered_with_the_known_ones() -> None:
    done = faults("--only", "savings")
    assert done.returncode == 2
    assert "choose from" in done.stderr
    assert "saving" in done.stderr


def test_every_case_is_in_the_help() -> None:
    cases = {path.stem for path in (BENCHMARKS / "fault_cases").glob("*.py")}
    listed = faults("--help").stdout.partition("cases:\n")[2].split("\n")
    names = [line.split()[0] for line in listed if line.strip()]
    assert len(names) > 10
    assert set(names) <= cases
