"""Some of the faults whose table is in docs/reliability.md; the controls must fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def faults(*arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "faults.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def verdicts(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split("  ")[-1].strip() for line in done.stdout.splitlines()[4:]]


@pytest.mark.slow
def test_damaged_files_are_told_and_scripts_take_them_for_good() -> None:
    done = faults("--tries", "12", "--only", "damaged_files")
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(done) == ["ok"] * 8


@pytest.mark.campaign
def test_killed_saves_leave_whole_checkpoints_and_those_of_scripts_do_not() -> None:
    done = faults("--tries", "12", "--only", "saving")
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(done) == ["ok"] * 5


@pytest.mark.campaign
def test_every_case_can_be_tried_and_the_product_ends_well() -> None:
    """Three tries of each: of so few the controls may all end well, but the product's may not."""
    done = faults("--tries", "3", timeout_s=1800)
    assert done.returncode in (0, 1), done.stderr
    assert set(verdicts(done)) <= {"ok", "not promised", "not tried", "CONTROL ENDS WELL"}
    assert len(verdicts(done)) > 25


def test_an_unknown_case_is_answered_with_the_known_ones() -> None:
    done = faults("--only", "savings")
    assert done.returncode == 2
    assert "choose from" in done.stderr
    assert "saving" in done.stderr


def test_every_case_is_in_the_help() -> None:
    files = (BENCHMARKS / "fault_cases").glob("*.py")
    cases = {path.stem for path in files if "\ndef rows(" in path.read_text(encoding="utf-8")}
    listed = faults("--help").stdout.partition("cases:\n")[2].split("\n")
    names = [line.split()[0] for line in listed if line.strip()]
    assert set(names) == cases
