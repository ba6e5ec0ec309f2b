"""How often a store is read for what is asked of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from searches import search
from sweep_files import write_sweep
from typer.testing import CliRunner

from harness.cli.main import app
from harness.comparison.report import gather
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking import row_reader
from harness.tracking.read import find_runs
from harness.tracking.store import open_store


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the reads of all records, and of each curve, by what is read."""
    counts: Counter[str] = Counter()
    read_runs, read_curves = row_reader.read_runs, row_reader.read_curves

    def counted_runs(*arguments):
        counts["records"] += 1
        return read_runs(*arguments)

    def counted_curves(store, run_ids, metric):
        counts.update(f"{run_id} {metric}" for run_id in run_ids)
        return read_curves(store, run_ids, metric)

    monkeypatch.setattr(row_reader, "read_runs", counted_runs)
    monkeypatch.setattr(row_reader, "read_curves", counted_curves)
    return counts


@pytest.fixture
def trained(project: Path) -> Path:
    """An experiment and two searches: one over learning rates, one over two settings."""
    claim = {"metric": "train/loss", "below": 100}
    choices = {"choices": [0.01, 0.1]}
    grid = search(sampler={"name": "grid"}, pruner={"name": "none"}, n_trials=2)
    points = [{"optimizer.lr": 0.01, "train.steps": 3}, {"optimizer.lr": 0.1, "train.steps": 4}]
    both = {"optimizer.lr": choices, "train.steps": {"choices": [3, 4]}}
    searches = {
        "s": {**grid, "space": {"optimizer.lr": choices}},
        "t": {**grid, "space": both, "enqueue": points},
    }
    path = write_sweep(Path("sweep.yaml"), {"a": {"expect": [claim]}})
    path.write_text(json.dumps({**json.loads(path.read_text()), "searches": searches}))
    run_sweep(load_sweep(path))
    return path


def test_a_report_reads_the_records_once_and_no_curve_twice(trained, reads):
    gather(trained)
    assert reads["records"] == 1
    assert set(reads.values()) == {1}


def test_learning_rates_are_compared_without_the_curves_of_other_trials(trained, reads):
    result = CliRunner().invoke(app, ["compare", str(trained), "--sensitivity"])
    assert result.exit_code == 0, result.output
    assert reads["records"] == 1
    names = {run.run_id: run.name for run in find_runs(open_store()) if run.kind == "run"}
    read = {names[key.split()[0]] for key in reads if key != "records"}
    assert read == {"s/trial=0", "s/trial=1"}
