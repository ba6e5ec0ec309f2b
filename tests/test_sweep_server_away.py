"""A sweep whose MLflow server is killed twice: complete, and nothing doubled."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

import pytest
from served import kill, serving
from sweep_files import read_until, started, write_sweep

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import checkpoints, find_runs, history
from harness.tracking.server import free_port, server_url
from harness.tracking.store import Store, open_store

STEPS = 1200
LONG = {"steps": STEPS, "log_every": 100}
SWEEP = {
    "first": {"train": LONG},
    "second": {"train": LONG, "optimizer": {"lr": 0.02}},
    "stack": {"train": {**LONG, "engine": "stacked"}, "seeds": 3},
}
SAVED = {"checkpoint": {"every": 300}}


@pytest.fixture
def undisturbed(project) -> dict[str, dict[int, float]]:
    """The losses of the sweep by run, where nothing happens."""
    result = run_sweep(load_sweep(write_sweep(Path("sweep.yaml"), SWEEP, **SAVED)))
    store = open_store()
    return {run.planned.name: history(store, str(run.run_id)) for run in result.runs}


@pytest.fixture(params=["postgresql", "sqlite"])
def behind(request, ready_made_store, tmp_path) -> Store:
    """The store that a server is on."""
    if request.param == "postgresql":
        return open_store(request.getfixturevalue("postgres").new_database())
    shutil.copyfile(ready_made_store, tmp_path / "behind.db")
    return open_store(f"sqlite:///{tmp_path}/behind.db")


@pytest.mark.slow
def test_a_sweep_whose_server_is_killed_twice_is_complete_and_nothing_is_doubled(
    undisturbed, behind, tmp_path
):
    port = free_port(0)
    url = server_url(behind, port)
    home, work = tmp_path / "served", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    write_sweep(work / "sweep.yaml", SWEEP, **SAVED)

    def recorded(name: str) -> int:
        """How many losses of a run the database holds."""
        ids = [run.run_id for run in find_runs(behind) if run.name == name]
        return len(history(behind, ids[0])) if ids else 0

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(behind, home, port))
        process = stack.enter_context(started("run", "sweep.yaml", "--tracking-uri", url, cwd=work))
        for name in ("first", "second"):
            while recorded(name) < 1 and process.poll() is None:
                time.sleep(0.02)
            kill(server)
            server = stack.enter_context(serving(behind, home, port))
        said = read_until(process, "5 runs: 5 trained.")
        assert process.wait(60) == 0
        errors = process.stderr.read()
        assert "no answer (" in errors, said
        assert "answers again after" in errors

        runs = {run.name: run for run in find_runs(behind) if run.kind == "run"}
        assert {name: history(behind, run.run_id) for name, run in runs.items()} == undisturbed
        assert len(find_runs(behind)) == len(SWEEP) + 2 + 1  # three seeds, and their group
        for run in runs.values():
            assert (run.state, run.status) == ("finished", "FINISHED")
            points = behind.client.get_metric_history(run.run_id, "train/loss")
            assert [point.step for point in points] == list(range(1, STEPS + 1))
            assert checkpoints(open_store(url), run.run_id)[-1] == f"step_{STEPS:06d}"
    assert not list((work / "mlruns" / ".state").glob("outbox*"))
