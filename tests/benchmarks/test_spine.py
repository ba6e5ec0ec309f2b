"""The benchmark's command starts, measures and prints its table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def spine(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "spine.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_one_case_prints_a_table_with_limits_and_verdicts() -> None:
    done = spine("--rounds", "1", "--only", "encoding")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "torch threads 1" in lines[1]
    header = next(line for line in lines if line.startswith("what "))
    assert header.split() == ["what", "median", "min", "to", "max", "limit", "verdict"]
    cold = [line for line in lines if "cold  " in line and line.startswith("1 MB")]
    assert len(cold) == 2
    assert all("0.500 s" in line and line.endswith(("ok", "over")) for line in cold)


def test_the_table_can_be_markdown() -> None:
    done = spine("--rounds", "1", "--only", "encoding", "--markdown")
    assert "| what | median | min to max | limit | verdict |\n| --- |" in done.stdout


def test_an_unknown_case_is_answered_with_the_known_ones() -> None:
    done = spine("--only", "encodings")
    assert done.returncode == 2
    assert "choose from" in done.stderr
    assert "encoding" in done.stderr


def test_every_case_is_explained_in_the_readme() -> None:
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    help_text = spine("--help").stdout
    cases = [line.split()[0] for line in help_text.partition("cases:\n")[2].splitlines()]
    assert len(cases) > 3
    assert [case for case in cases if f"**{case}**" not in readme] == []
