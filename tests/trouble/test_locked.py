"""A database that another program has locked is waited for, then its holder is named."""

from __future__ import annotations

import time
from pathlib import Path

import optuna
import pytest
import searches
from troubled import AtStep, all_points, sweep

from harness import watch
from harness.errors import StoreError
from harness.observer import Observer
from harness.search.quiet import quiet
from harness.sweep import run_sweep
from harness.tracking import recorder
from harness.tracking.read import find_runs
from harness.tracking.store import open_store
from harness.tracking.trouble import TIMEOUT_VARIABLE, openers

DATABASE = Path("mlruns/mlflow.db")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.5")


def held_by(pid: int) -> str:
    return (
        rf"has had it locked for 0\.5 s; process {pid} \(python.*\) has it open: stop it, or wait"
    )


def test_a_store_that_is_locked_at_the_start_is_told_with_who_has_it(project, locked, impatient):
    pid = locked(DATABASE)
    began = time.monotonic()
    with pytest.raises(StoreError, match=rf"mlflow\.db: cannot create .*{held_by(pid)}"):
        run_sweep(sweep())
    assert 0.4 < time.monotonic() - began < 5
    assert find_runs(open_store()) == []


def test_a_store_that_is_locked_for_a_while_is_waited_for(project, locked, undisturbed):
    locked(DATABASE, 1.0)
    assert run_sweep(sweep()).exit_code == 0
    assert all_points() == undisturbed


def test_a_store_that_is_locked_while_runs_train_stops_the_sweep_and_the_next_call_goes_on(
    project, locked, impatient, undisturbed, monkeypatch
):
    pids = []
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "FLUSH_INTERVAL_S", 0.0)
        patch.setattr(watch, "EMIT_INTERVAL_S", 0.0)
        lock = AtStep(50, lambda: pids.append(locked(DATABASE, 4)))
        with pytest.raises(StoreError) as caught:
            run_sweep(sweep(), observer=lock)
    assert caught.match(rf"mlflow\.db: cannot write to the store: .*{held_by(*pids)}")
    assert {run.status for run in find_runs(open_store())} == {"RUNNING"}
    monkeypatch.setenv(TIMEOUT_VARIABLE, "30")
    assert run_sweep(sweep()).exit_code == 0
    assert all_points() == undisturbed


class LockStudy(Observer):
    def __init__(self, lock) -> None:
        self.lock, self.pid = lock, 0

    def on_search(self, progress):
        if progress.num_trials and not self.pid:
            self.pid = self.lock(Path("mlruns/optuna.db"), 3)


def test_a_study_that_is_locked_stops_the_search_and_the_next_call_goes_on(
    project, locked, impatient, no_plots, monkeypatch
):
    path = searches.write(Path("sweep.yaml"), s=searches.search())
    observer = LockStudy(locked)
    with pytest.raises(StoreError) as caught:
        searches.run(path, observer=observer)
    assert caught.match(rf"optuna\.db: cannot log .*{held_by(observer.pid)}")
    monkeypatch.setenv(TIMEOUT_VARIABLE, "30")
    result = searches.run(path)
    assert [trial.number for trial in result.trials] == list(range(8))
    with quiet():
        states = [trial.state for trial in searches.study(result).trials]
    assert optuna.trial.TrialState.RUNNING not in states


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "1e9"])
def test_a_time_to_wait_that_is_none_is_told(project, monkeypatch, text):
    monkeypatch.setenv(TIMEOUT_VARIABLE, text)
    with pytest.raises(
        StoreError, match=f"{TIMEOUT_VARIABLE}: must be a number of seconds .*{text}"
    ):
        open_store()


def test_a_file_that_nobody_else_has_open_has_no_openers(project):
    with DATABASE.open("rb"):
        assert openers(DATABASE) == []
    assert openers(Path("absent")) == []
