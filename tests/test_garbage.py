"""`harness gc`: what goes, what never does, and a kill in the middle."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from sweep_files import started, write_sweep
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import StoreError, StoreInUse, UsageError
from harness.garbage import collect_garbage
from harness.interrupts import Interrupted
from harness.observer import Observer
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.lock import hold
from harness.tracking.read import StoredRun, checkpoints, find_runs, history
from harness.tracking.store import open_store

STRANGER = "0123456789abcdef" * 2
KEEP_ALL = {"checkpoint": {"every": 1, "keep_last": 9}}


def run(experiments, observer=None, **flags):
    sweep = load_sweep(write_sweep(Path("sweep.yaml"), experiments))
    return run_sweep(sweep, observer=observer, **flags)


def records() -> list[StoredRun]:
    return find_runs(open_store(create=False))


def gone(**flags: bool) -> list[tuple[str, str]]:
    return [(item.kind, item.what) for item in collect_garbage(**flags).items]


def gc(*flags: str):
    return CliRunner().invoke(app, ["gc", *flags])


def set_param(key: str, value: str) -> None:
    with contextlib.closing(sqlite3.connect("mlruns/mlflow.db")) as connection, connection:
        connection.execute("UPDATE params SET value = ? WHERE key = ?", (value, key))


def test_a_store_in_which_all_is_needed_loses_nothing(project):
    run({"a": {}, "b": {"optimizer": {"lr": 0.1}}})
    before = sorted(project.rglob("*"))
    call = gc()
    assert (call.exit_code, call.stdout) == (0, "nothing to remove\n")
    assert sorted(project.rglob("*")) == before


def test_the_checkpoints_of_a_superseded_record_go_and_its_numbers_stay(project):
    run({"a": {}})
    run({"a": {}}, force=True)
    old, new = records()
    call = gc("--dry-run")
    assert f"checkpoint  a ({old.run_id[:8]}) step_000006  superseded by {new.run_id[:8]}" in (
        call.stdout
    )
    assert "1 thing would go: " in call.stdout
    assert checkpoints(open_store(), old.run_id) == ["step_000006"]
    call = gc()
    assert "1 thing removed: " in call.stdout
    assert checkpoints(open_store(), old.run_id) == []
    assert checkpoints(open_store(), new.run_id) == ["step_000006"]
    assert [r.metrics for r in records()] == [old.metrics, new.metrics]


def test_a_record_whose_replacement_is_not_there_keeps_its_checkpoints(project):
    run({"a": {}})
    run({"a": {}}, force=True)
    old, new = records()
    open_store().client.delete_run(new.run_id)
    assert [kind for kind, _ in gone(dry_run=True)] == ["run"]
    assert checkpoints(open_store(), old.run_id) == ["step_000006"]


def test_of_an_ended_run_the_last_and_the_best_stay_whatever_its_settings_say(project):
    run({"a": {**KEEP_ALL, "optimizer": {"name": "sgd", "lr": 1.0}, "train": {"steps": 9}}})
    (record,) = records()
    losses = history(open_store(), record.run_id)
    best = f"step_{min(losses, key=lambda step: (losses[step], -step)):06d}"
    set_param("checkpoint.keep_last", "1")
    assert len(gone()) == 7 + (best == "step_000009")
    assert checkpoints(open_store(), record.run_id) == sorted({best, "step_000009"})


def test_what_the_settings_keep_stays_and_settings_that_are_none_keep_what_the_defaults_do(project):
    run({"a": KEEP_ALL})
    (record,) = records()
    assert gone() == []
    set_param("checkpoint.keep_last", "many")
    gone()
    assert {"step_000005", "step_000006"} <= set(checkpoints(open_store(), record.run_id))
    assert len(checkpoints(open_store(), record.run_id)) <= 3


class StopAt(Observer):
    def on_losses(self, run, losses):
        if losses[-1][0] >= 4:
            raise Interrupted(signal.SIGINT)


def test_a_run_that_has_not_ended_keeps_its_checkpoints_and_its_staging(project):
    with pytest.raises(Interrupted):
        run({"a": KEEP_ALL}, observer=StopAt())
    (record,) = records()
    staging = project / "mlruns" / ".state" / record.run_id / "step_000004"
    staging.mkdir(parents=True)
    set_param("checkpoint.keep_last", "1")
    assert gone() == []
    assert len(checkpoints(open_store(), record.run_id)) > 1
    assert staging.is_dir()
    run({"a": KEEP_ALL})
    assert records()[0].state == "finished"


def test_folders_that_no_run_owns_go(project):
    run({"a": {}})
    (record,) = records()
    artifacts = project / "mlruns" / "artifacts" / "sweep"
    for path in (
        artifacts / STRANGER / "artifacts" / "checkpoints",
        project / "mlruns" / "7" / STRANGER,
        project / "mlruns" / ".state" / STRANGER,
        project / "mlruns" / ".state" / record.run_id,
        artifacts / record.run_id / ".partial-x",
        project / "mlruns" / ".state" / "trash" / "1-step_000001",
    ):
        path.mkdir(parents=True)
        (path / "file").write_bytes(b"x" * 100)
    (artifacts / "notes").mkdir()  # not a run's name: somebody's own
    call = json.loads(gc("--dry-run", "--json").stdout)
    assert call["dry_run"] is True
    assert [item["kind"] for item in call["items"]] == [
        *["artifacts"] * 2,
        *["staging"] * 2,
        "copy",
        "trash",
    ]
    assert call["bytes"] == 600
    assert len(json.loads(gc("--json").stdout)["items"]) == 6
    assert gone() == []
    assert not list((project / "mlruns").rglob(f"*{STRANGER}*"))
    assert (artifacts / "notes").is_dir()
    assert checkpoints(open_store(), record.run_id) == ["step_000006"]


def test_runs_of_another_database_in_the_same_folder_are_not_strangers(project, another_store):
    sweep = load_sweep(write_sweep(Path("sweep.yaml"), {"a": {}}))
    uri = another_store(project / "mlruns" / "other.db")
    run_sweep(sweep, tracking_uri=uri)
    assert gone() == []
    (record,) = find_runs(open_store(uri))
    assert checkpoints(open_store(uri), record.run_id) == ["step_000006"]


def test_where_another_store_uses_the_folder_what_is_not_known_stays_and_that_is_told(project):
    folder = project / "mlruns" / "artifacts" / "sweep" / STRANGER
    folder.mkdir(parents=True)
    with hold(project / "mlruns", "postgresql://host/runs"):
        pass
    lock = next((project / "mlruns" / ".state").glob("sweep-*"), None)
    if lock is None:  # this version of filelock removes it; an older one leaves it
        (project / "mlruns" / ".state" / "sweep-0badcafe.lock").touch()
    call = gc()
    assert call.stdout == "nothing to remove\n"
    assert "another store uses this folder too (.state/sweep-" in call.stderr
    assert "folders of runs that are not known are left alone" in call.stderr
    assert folder.is_dir()


def test_a_run_that_was_deleted_in_mlflow_goes_with_its_rows_and_files(project):
    run({"a": {}, "b": {"optimizer": {"lr": 0.1}}})
    a, b = records()
    store = open_store()
    store.client.delete_run(a.run_id)
    folder = project / "mlruns" / "artifacts" / "sweep" / a.run_id
    assert folder.is_dir()
    assert gone() == [("run", f"a ({a.run_id[:8]})")]
    assert not folder.exists()
    with contextlib.closing(sqlite3.connect("mlruns/mlflow.db")) as connection:
        for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
            query = f"SELECT count(*) FROM {table} WHERE run_uuid = ?"
            assert connection.execute(query, (a.run_id,)).fetchone() == (0,)
    assert [r.run_id for r in records()] == [b.run_id]
    assert [r.planned.reason for r in run({"a": {}}).runs] == ["new"]


def test_a_deleted_run_whose_files_are_elsewhere_is_left_to_mlflow(project, tmp_path):
    store = open_store()
    elsewhere = tmp_path / "elsewhere"
    experiment = store.client.create_experiment("e", artifact_location=elsewhere.as_uri())
    made = store.client.create_run(experiment).info.run_id
    store.client.log_text(made, "x", "x.txt")
    store.client.delete_run(made)
    found = collect_garbage()
    assert found.items == ()
    assert f"{made}: deleted, but its artifacts are elsewhere: `mlflow gc`" in found.notes
    assert (elsewhere / made / "artifacts" / "x.txt").exists()


@pytest.mark.parametrize(
    "planted",
    ["artifacts/sweep/{run}", "artifacts/sweep/{run}/artifacts/checkpoints", ".state/{run}"],
)
def test_a_link_out_of_the_store_is_told_and_nothing_goes(project, tmp_path, planted):
    run({"a": {}})
    run({"a": {}}, force=True)
    old, _ = records()
    outside = tmp_path / "outside"
    (outside / "step_000006").mkdir(parents=True)
    (outside / "step_000006" / "mine").touch()
    link = project / "mlruns" / planted.format(run=old.run_id)
    if link.exists():
        shutil.move(link, tmp_path / "aside")
    link.symlink_to(outside)
    with pytest.raises(StoreError, match=r"leads out of .*: nothing is written or deleted there"):
        collect_garbage()
    assert (outside / "step_000006" / "mine").exists()
    assert len(list((project / "mlruns").rglob("step_000006"))) >= 1


def test_while_a_sweep_runs_nothing_goes(project):
    store = open_store()
    with hold(store.state_dir, store.uri), pytest.raises(StoreInUse, match="this store is in use"):
        collect_garbage()


def test_a_store_that_is_not_local_is_refused(project, monkeypatch):
    from harness.tracking import store

    monkeypatch.setattr(store, "_reach", lambda uri: None)
    monkeypatch.setattr(store.Store, "client", None)
    with pytest.raises(UsageError, match=r"cleans local stores alone; .*`mlflow gc` where"):
        collect_garbage("http://somewhere")


def test_without_a_store_nothing_is_made(tmp_path, no_store_named, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = gc()
    assert call.exit_code == 2
    assert "no store at mlruns/mlflow.db" in call.stderr
    assert list(tmp_path.iterdir()) == []


def test_killed_in_the_middle_it_leaves_a_sound_store_and_the_next_call_finishes(project):
    run({"a": KEEP_ALL})
    (record,) = records()
    kept = checkpoints(open_store(), record.run_id)
    folder = project / "mlruns" / "artifacts" / "sweep"
    for number in range(200):
        checkpoint = folder / f"{number:032x}" / "artifacts" / "checkpoints" / "step_000001"
        checkpoint.mkdir(parents=True)
        for name in range(3):
            (checkpoint / f"{name}.bin").write_bytes(b"x" * 1000)
    with started("gc", cwd=project) as process:
        while len(list(folder.iterdir())) > 190:
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    ours = {record.run_id, "models"}  # the latter has MLflow's logged models
    left = [path for path in folder.iterdir() if path.name not in ours]
    assert left
    for path in left:
        assert len(list((path / "artifacts" / "checkpoints" / "step_000001").iterdir())) == 3
    assert checkpoints(open_store(), record.run_id) == kept
    assert len(gone()) >= len(left)
    assert {path.name for path in folder.iterdir()} == ours
    assert gone() == []
    assert not (project / "mlruns" / ".state" / "trash").exists()
    assert run({"a": KEEP_ALL}).runs[0].planned.reason == "finished"
