"""A full disk stops a sweep with a sentence; with room again, nothing is lost or doubled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import searches
from sweep_files import harness, write_sweep
from troubled import LENGTH, RUNS, AtStep, Disk, all_points, sweep

from harness import watch
from harness.errors import StoreError
from harness.observer import Observer
from harness.sweep import run_sweep
from harness.tracking import recorder
from harness.tracking.read import checkpoints, find_runs
from harness.tracking.store import open_store

NO_ROOM = r"no room is left on the disk of .* \(\d\.\d MB free\); make room and type the same"


def test_a_store_that_finds_no_room_is_made_later_and_leaves_nothing(disk):
    disk.remount("size=600k")
    with pytest.raises(StoreError, match=rf"mlflow\.db: the store cannot be created: {NO_ROOM}"):
        open_store()
    assert [path.name for path in (disk.project / "mlruns").iterdir()] == [".mlflow.db.lock"]
    disk.remount("size=40m")
    assert open_store().client.search_experiments()


def go_on(disk: Disk) -> None:
    """Make room and run the sweep again; it must end as if nothing had been."""
    disk.free()
    assert [run.status for run in run_sweep(sweep()).runs] == ["finished", "finished"]
    for run in find_runs(open_store()):
        assert checkpoints(open_store(), run.run_id) == ["step_000080", "step_000120"]
    assert not list((disk.project / "mlruns" / ".state").glob("*/"))


def test_a_disk_that_is_full_when_a_checkpoint_is_written_stops_the_sweep(
    disk_with_store, undisturbed
):
    disk = disk_with_store
    with pytest.raises(
        StoreError, match=r"step_000080: cannot write the checkpoint: No space left"
    ):
        run_sweep(sweep(), observer=AtStep(41, disk.fill))
    assert {run.state for run in find_runs(open_store())} <= {"running", "killed"}
    go_on(disk)
    assert all_points() == undisturbed


def test_a_disk_that_is_full_when_losses_are_written_stops_the_sweep(
    disk_with_store, undisturbed, monkeypatch
):
    disk = disk_with_store
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "FLUSH_INTERVAL_S", 0.0)
        patch.setattr(watch, "EMIT_INTERVAL_S", 0.0)
        with pytest.raises(StoreError, match=rf"cannot write to the store: {NO_ROOM}"):
            run_sweep(sweep(), observer=AtStep(50, disk.fill))
    go_on(disk)
    assert all_points() == undisturbed


def test_a_full_disk_that_a_worker_meets_stops_all_with_one_sentence(disk_with_store, undisturbed):
    disk = disk_with_store
    path = write_sweep(Path("sweep.yaml"), RUNS, **LENGTH)
    disk.fill()
    call = harness("run", path, "-j", "2", cwd=disk.project)
    assert call.returncode == 2
    assert "no room is left on the disk" in call.stderr
    assert "Traceback" not in call.stderr
    assert call.stderr.count("\n") == 1
    go_on(disk)
    assert all_points() == undisturbed


class FillAfterFirstBatch(Observer):
    def __init__(self, disk: Disk) -> None:
        self.disk, self.done = disk, False

    def on_search(self, progress):
        if progress.num_trials and not self.done:
            self.done = True
            self.disk.fill()


def test_a_disk_that_is_full_when_a_study_is_written_stops_the_search(disk_with_store, no_plots):
    disk = disk_with_store
    path = searches.write(Path("search.yaml"), s=searches.search())
    with pytest.raises(StoreError, match=r"No space left|no room is left on the disk"):
        searches.run(path, observer=FillAfterFirstBatch(disk))
    disk.free()
    found = searches.table(searches.run(path))
    assert len(found) == 8
    records = [run for run in find_runs(open_store()) if "harness.trial" in run.tags]
    assert len({run.fingerprint for run in records}) == len(records) == 8
    (Path("other")).mkdir()
    undisturbed = Path("other/search.yaml")
    content = json.loads(path.read_text())
    storage = "sqlite:///other/study.db"
    content["searches"]["s"]["storage"] = storage
    content["name"] = "other"
    undisturbed.write_text(json.dumps(content))
    assert searches.table(searches.run(undisturbed)) == found
