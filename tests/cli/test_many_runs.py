"""A sweep of more runs than anyone reads one by one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sweep_files import write_sweep
from typer.testing import CliRunner

from harness.cli import brief
from harness.cli.main import app

RATES = [round(0.001 * n, 4) for n in range(1, 121)]


@pytest.fixture
def many(project) -> Path:
    """120 runs that end well, and two that diverge."""
    experiments = {
        "grid": {"train": {"engine": "stacked"}, "matrix": {"optimizer.lr": RATES}},
        "wild": {
            "optimizer": {"name": "sgd"},
            "train": {"steps": 30},
            "matrix": {"optimizer.lr": [900000.0, 1000000.0]},
        },
    }
    return write_sweep(Path("sweep.yaml"), experiments)


def test_the_lines_and_the_table_of_many_runs_can_be_read(many, monkeypatch):
    monkeypatch.setattr(brief, "INTERVAL_S", 0.0)
    call = CliRunner().invoke(app, ["run", "sweep.yaml", "-j", "1"])
    assert call.exit_code in (0, 1), call.output
    lines = call.stdout.splitlines()
    assert lines[0] == "122 runs: 122 to train, 0 already done"
    told = [line for line in lines if re.match(r"[\d,]+ of 122 runs ended", line)]
    assert told[-1].startswith("122 of 122 runs ended (2 diverged)")
    assert not any("step" in line or line.startswith("[") for line in lines)
    table = lines[lines.index(next(line for line in lines if line.startswith("run "))) :]
    assert sum(line.startswith("grid/") for line in table) == 20
    assert "... and 102 more runs: `harness compare FILE` ranks them all" in table
    assert table[-1] == "122 runs: 120 trained, 2 diverged."
    best = json.loads(CliRunner().invoke(app, ["compare", "sweep.yaml", "--json"]).stdout)["rows"]
    assert [row["name"] for row in best[:20]] == [line.split()[0] for line in table[1:21]]


def test_at_its_usual_interval_a_quick_sweep_says_how_it_ended_alone(many):
    lines = CliRunner().invoke(app, ["run", "sweep.yaml", "-j", "1"]).stdout.splitlines()
    assert len([line for line in lines if "runs ended" in line]) <= 3


def test_of_many_claims_that_do_not_hold_the_first_are_printed_and_the_rest_counted(project):
    claim = {"metric": "train/loss", "at": 1, "below": 0}
    settings = {"steps": 1, "engine": "stacked"}
    grid = {"train": settings, "matrix": {"optimizer.lr": RATES}, "expect": [claim] * 10}
    write_sweep(Path("sweep.yaml"), {"grid": grid})
    lines = CliRunner().invoke(app, ["run", "sweep.yaml", "-j", "1"]).stdout.splitlines()
    assert sum("DOES NOT HOLD" in line for line in lines) == 60
    assert "... and 1,140 more: --json and --junit PATH tell them all" in lines
    assert lines[-1] == "120 runs: 120 trained. 0 of 1,200 claims hold."
    quiet = CliRunner().invoke(app, ["run", "sweep.yaml", "-q"]).stdout.splitlines()
    assert quiet[-1].startswith("... and 1,140 more")


def test_each_run_that_fails_is_named(many, monkeypatch):
    from harness.train import resume

    def fail(config, *arguments):
        raise ValueError(f"no weights for {config.optimizer.lr}")

    monkeypatch.setattr(resume, "begin_or_resume", fail)
    call = CliRunner().invoke(app, ["run", "sweep.yaml", "-j", "1", "--only", "wild*"])
    assert call.exit_code == 1
    assert "wild/lr=900000.0: failed: ValueError: no weights for 900000.0" in call.stderr
