"""Some kills of the campaign whose table is in docs/reliability.md; the control must fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
NOTHING = (
    "missing steps",
    "doubled steps",
    "doubled runs",
    "left running",
    "damaged checkpoints",
    "stores lost",
    "failed calls",
)


@pytest.mark.slow
@pytest.mark.timeout(580)
def test_after_some_kills_everything_is_as_if_there_had_been_none(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    command = [sys.executable, str(BENCHMARK), "--kills", "8", "--short", "--log", log]
    users = tmp_path / "users.db"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{users}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not users.exists(), "the store that the shell names is not the one to kill sweeps in"
    lines = done.stdout.splitlines()[3:]
    table = {line[:20].strip(): list(map(int, line[20:].split())) for line in lines[1:]}
    assert sum(table["kills"][:4]) >= 8
    assert table["bit equal runs"][:4] == table["runs"][:4]
    for what in NOTHING:
        assert table[what][:4] == [0, 0, 0, 0], what
    assert table["bit equal runs"][4] < table["runs"][4] or table["doubled steps"][4] > 0
