"""A sweep that is stopped at any instant, and the next call that makes it whole to the bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from stopping import Heard, points
from sweep_files import read_until, started, write_sweep
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import StoreInUse
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import StoredRun, checkpoints, find_runs, history
from harness.tracking.store import open_store

STEPS = 1500  # a second and more: long enough to be stopped in the middle
LONG = {
    "long": {"train": {"steps": STEPS, "log_every": 100}, "checkpoint": {"every": 250}},
    "short": {"optimizer": {"lr": 0.1}},
}
DROPOUT = {"model": {"dropout": 0.2}}
EVALUATED = {**DROPOUT, "data": {"holdout": 0.25}, "train": {"eval_every": 70}}
METRICS = ("train/loss", "val/loss")


@pytest.fixture(scope="module")
def uninterrupted(
    ready_made_store: Path, tmp_path_factory
) -> dict[tuple[str, str], dict[int, float]]:
    """The losses of the runs of `LONG`, by name and metric, where nothing disturbs them."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copyfile(ready_made_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    path = write_sweep(folder / "sweep.yaml", LONG, **EVALUATED)
    result = run_sweep(load_sweep(path), tracking_uri=uri)
    store = open_store(uri)
    return {
        (run.planned.name, metric): history(store, str(run.run_id), metric)
        for run in result.runs
        for metric in METRICS
    }


def records() -> dict[str, StoredRun]:
    return {record.name: record for record in find_runs(open_store(create=False))}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "flags", "exit_code", "status"),
    [
        (signal.SIGINT, [], 130, "KILLED"),
        (signal.SIGTERM, ["-j", "2"], 143, "KILLED"),
        (signal.SIGKILL, [], -9, "RUNNING"),
    ],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_a_sweep_that_is_killed_is_made_whole_by_the_next_call(
    project, uninterrupted, number, flags, exit_code, status
):
    path = write_sweep(Path("sweep.yaml"), LONG, **EVALUATED)
    with started("run", path, *flags, cwd=project) as process:
        read_until(process, "long  step 200:")
        family = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == exit_code
    if status == "KILLED":
        assert f"harness: stopped by {number.name}; what was running is recorded" in errors
    assert "Traceback" not in errors
    assert psutil.wait_procs(family, timeout=10)[1] == []

    killed = records()["long"]
    assert killed.status == status
    assert killed.state == ("killed" if status == "KILLED" else "running")
    written = len(points(killed.run_id))
    assert written < STEPS
    if status == "KILLED":
        newest = int(checkpoints(open_store(), killed.run_id)[-1].removeprefix("step_"))
        assert 200 <= newest == written

    heard = Heard()
    result = run_sweep(load_sweep(path), observer=heard)
    assert result.exit_code == 0
    assert any("left RUNNING by a dead process" in t for t in heard.notes) == (status == "RUNNING")
    if status == "KILLED":
        assert heard.resumed["long"] == newest
    assert result.runs[0].planned.reason == "unfinished"
    assert result.runs[0].run_id == killed.run_id
    found = records()
    assert {(r.state, r.status) for r in found.values()} == {("finished", "FINISHED")}
    assert len(find_runs(open_store())) == 2
    assert [*uninterrupted["long", "val/loss"]] == [*range(70, STEPS, 70), STEPS]
    for (name, metric), losses in uninterrupted.items():
        assert points(found[name].run_id, metric) == list(losses.items())
    names = checkpoints(open_store(), killed.run_id)
    assert names == ["step_001250", "step_001500"]
    assert not list((project / "mlruns" / ".state").glob("*/"))


def test_ctrl_c_reaches_all_processes_and_each_stays_silent_but_the_first(project):
    path = write_sweep(Path("sweep.yaml"), LONG)
    with started("run", path, "-j", "2", cwd=project) as process:
        read_until(process, "[1/2] long")
        time.sleep(0.3)  # in the middle of the worker's imports
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines() == [
        "harness: stopped by SIGINT; what was running is recorded as killed and goes on "
        "with the same command"
    ]


def test_of_two_sweeps_at_once_the_second_refuses_or_waits(project):
    path = write_sweep(Path("sweep.yaml"), {"long": {"train": {"steps": 2000}}})
    with started("run", path, cwd=project) as process:
        read_until(process, "long  step   1:")
        with pytest.raises(StoreInUse, match=f"is in use by process {process.pid}, since 20"):
            run_sweep(load_sweep(path))
        refused = CliRunner().invoke(app, ["run", str(path), "--json"])
        assert refused.exit_code == 2
        assert (
            f"is in use by process {process.pid}"
            in json.loads(refused.stdout)["errors"][0]["message"]
        )
        assert process.poll() is None
        waited = CliRunner().invoke(app, ["run", str(path), "--json", "--wait"])
        assert process.wait(10) == 0
    assert [run["reason"] for run in json.loads(waited.stdout)["runs"]] == ["finished"]


def test_a_stopped_call_with_json_prints_one_object(project):
    path = write_sweep(Path("sweep.yaml"), {"long": {"train": {"steps": 100_000}}})
    with started("run", path, "--json", cwd=project) as process:
        while not any(run.status == "RUNNING" for run in records().values()):
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        printed, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "stopped by SIGTERM" in json.loads(printed)["errors"][0]["message"]
    assert errors == ""


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["-j", "1"], ["-j", "2"]], ids=["here", "workers"])
def test_a_stopped_stack_saves_what_it_has_and_goes_on_from_there(project, flags):
    train = {"steps": 40_000, "log_every": 2000, "engine": "stacked"}
    names = ("a", "b")
    lrs = {name: {"optimizer": {"lr": lr}} for name, lr in zip(names, (0.01, 0.02), strict=True)}
    path = write_sweep(Path("sweep.yaml"), lrs, train=train, **DROPOUT)
    with started("run", path, *flags, cwd=project) as process:
        read_until(process, f"a  step {train['log_every']}:")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 143, errors
    killed = records()
    (saved,) = checkpoints(open_store(), killed["a"].run_id)
    step = int(saved.removeprefix("step_"))
    assert train["log_every"] <= step < train["steps"]
    assert len(points(killed["a"].run_id)) == step

    heard = Heard()
    result = run_sweep(load_sweep(path), observer=heard)
    assert result.exit_code == 0
    assert heard.resumed["a"] == step
    assert checkpoints(open_store(), killed["a"].run_id)[-1] == f"step_{train['steps']:06d}"
    assert [n for n, _ in points(killed["a"].run_id)] == list(range(1, train["steps"] + 1))
