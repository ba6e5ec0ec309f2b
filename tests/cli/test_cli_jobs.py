"""`-j`: what happens without it, and that nothing but time depends on the number of jobs."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from sweep_files import write_sweep

from harness import call, executors, jobs
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import history
from harness.tracking.store import open_store


@pytest.fixture
def cheap_processes(monkeypatch):
    """Two cores, where every second core pays; the executors that were made, by their names."""
    made = []

    def executor_for(num_jobs: int) -> executors.Executor:
        made.append(num_jobs)
        return executors.executor_for(num_jobs)

    monkeypatch.setattr(jobs, "JOB_S", 1e-9)
    monkeypatch.setattr(jobs, "available_cores", lambda: 2)
    monkeypatch.setattr(call, "executor_for", executor_for)
    return made


def test_run_starts_workers_where_they_pay_and_plan_shows_their_stacks(
    project, harness, cheap_processes
):
    write_sweep(Path("s.yaml"), {"a": {"seeds": 20}}, train={"engine": "auto"})
    told = json.loads(harness("plan", "s.yaml", "--json").stdout)["runs"]
    assert [run["stack"] for run in told] == [1] * 16 + [2] * 4
    assert {run["engine"] for run in told} == {"stacked"}
    one = json.loads(harness("plan", "s.yaml", "--json", "-j", 1).stdout)["runs"]
    assert [run["stack"] for run in one] == [1] * 20
    shown = harness("run", "s.yaml", "--dry-run").stdout
    assert "stacked (stack 2)" in shown
    assert "stacked (stack 2)" not in harness("run", "s.yaml", "--dry-run", "-j", 1).stdout
    result = harness("run", "s.yaml", "--json")
    assert result.exit_code == 0
    assert cheap_processes == [2]
    assert multiprocessing.active_children() == []
    runs = json.loads(result.stdout)["runs"]
    losses = [history(open_store(), run["run_id"]) for run in runs]
    again = json.loads(harness("run", "s.yaml", "--json", "--force", "-j", 1).stdout)["runs"]
    assert cheap_processes == [2, 1]
    assert [history(open_store(), run["run_id"]) for run in again] == losses


def test_python_stays_in_its_process_unless_it_is_asked(project, cheap_processes):
    path = write_sweep(Path("s.yaml"), {"a": {"seeds": 2}})
    run_sweep(load_sweep(path))
    run_sweep(load_sweep(path), force=True, jobs=None)
    assert cheap_processes == [1, 2]
