"""Folders that are no folders, links that lead out of a store, and projects that are moved."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import searches
from sweep_files import write_sweep
from troubled import contents, sweep
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import StoreError
from harness.search import plots
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import checkpoints, find_runs, local_checkpoint
from harness.tracking.store import open_store

NO_DEVICE = {"train": {"device": "cuda:99"}}


@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_folder_in_the_place_of_mlruns_is_told_and_left(
    tmp_path, no_store_named, create
):
    mlruns = tmp_path / "mlruns"
    mlruns.symlink_to("gone")
    with pytest.raises(StoreError, match=r"mlruns: is a link to gone, which is no folder"):
        open_store(None, tmp_path, create)
    assert mlruns.readlink() == Path("gone")
    mlruns.unlink()
    mlruns.write_text("mine")
    with pytest.raises(StoreError, match=r"mlruns: is a file, not a folder; move it away"):
        open_store(None, tmp_path, create)
    assert mlruns.read_text() == "mine"


@pytest.mark.parametrize("create", [True, False])
def test_a_link_that_leads_nowhere_in_the_place_of_the_database_is_told(
    tmp_path, no_store_named, create
):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").symlink_to("/gone.db")
    with pytest.raises(StoreError, match=r"mlflow\.db: is a link to /gone\.db, which is not there"):
        open_store(None, tmp_path, create)
    assert (tmp_path / "mlruns" / "mlflow.db").is_symlink()


def test_mlruns_may_be_a_link_to_a_folder_elsewhere(project, tmp_path, no_plots):
    large = tmp_path / "large"
    shutil.move("mlruns", large)
    Path("mlruns").symlink_to(large)
    path = searches.write(Path("sweep.yaml"), s=searches.search(n_trials=4))
    assert run_sweep(load_sweep(path)).exit_code == 0
    assert {path.name for path in large.iterdir()} >= {"artifacts", "mlflow.db", "optuna.db"}
    assert CliRunner().invoke(app, ["gc"]).stdout == "nothing to remove\n"


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder of the user's with files that a store has names for."""
    folder = tmp_path / "outside"
    for name in ("step_000080/mine", "traceback.txt", "plots/search.html", "precious"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    return folder


@pytest.mark.parametrize(
    "planted",
    [
        "artifacts",
        "artifacts/sweep",
        "artifacts/sweep/{run}",
        "artifacts/sweep/{run}/artifacts",
        "artifacts/sweep/{run}/artifacts/checkpoints",
        ".state",
        ".state/{run}",
        ".cache",
        ".cache/corpora",
        ".cache/checkpoints",
    ],
)
def test_a_folder_that_is_a_link_out_of_the_store_is_told_and_not_followed(
    project, outside, tmp_path, planted
):
    run_sweep(sweep())
    client, (record, *_) = open_store().client, find_runs(open_store())
    client.set_tag(record.run_id, "harness.state", "killed")
    client.set_terminated(record.run_id, "KILLED")  # so that it is gone on with
    link = project / "mlruns" / planted.format(run=record.run_id)
    if link.exists():
        shutil.move(link, tmp_path / "aside")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    before = contents(outside)
    with pytest.raises(StoreError, match=r"leads out of .*(nothing is written|not followed)"):
        run_sweep(sweep())
    assert contents(outside) == before


@pytest.mark.parametrize("name", ["sweep.lock", "sweep.holder.new"])
def test_a_lock_that_is_a_link_is_told_and_not_written_through(project, outside, name):
    folder = project / "mlruns" / ".state"
    folder.mkdir()
    (folder / name).symlink_to(outside / "precious")
    with pytest.raises(StoreError, match=rf"{name}: is a link to .*, not followed; delete it"):
        run_sweep(sweep())
    assert (outside / "precious").read_text() == "mine"


def test_an_artifact_that_is_a_link_out_of_the_store_is_not_written_through(project, outside):
    path = write_sweep(Path("bad.yaml"), {"bad": NO_DEVICE})
    run_sweep(load_sweep(path))
    (record,) = find_runs(open_store())
    artifact = project / "mlruns/artifacts/sweep" / record.run_id / "artifacts/traceback.txt"
    artifact.unlink()
    artifact.symlink_to(outside / "traceback.txt")
    with pytest.raises(StoreError, match=r"traceback\.txt: leads out of "):
        run_sweep(load_sweep(path))
    assert (outside / "traceback.txt").read_text() == "mine"


def test_a_file_is_not_written_through_a_link_in_the_place_of_its_temporary_name(project, outside):
    run_sweep(sweep())
    for suffix in ("csv", "html", "png"):
        Path(f".t.{suffix}.new").symlink_to(outside / "precious")
    flags = ["--csv", "t.csv", "--html", "t.html", "--png", "t.png"]
    call = CliRunner().invoke(app, ["compare", "sweep.yaml", *flags])
    assert call.exit_code == 0, call.output
    assert (outside / "precious").read_text() == "mine"
    assert all(Path(f"t.{suffix}").is_file() for suffix in ("csv", "html", "png"))


def test_a_table_for_which_there_is_no_room_is_told(disk_with_store):
    run_sweep(sweep())
    disk_with_store.fill()
    for suffix in ("csv", "html", "png"):
        call = CliRunner().invoke(app, ["compare", "sweep.yaml", f"--{suffix}", f"t.{suffix}"])
        assert call.exit_code == 2
        assert f"t.{suffix}: cannot be written: No space left on device" in call.stderr


def test_a_project_with_a_search_goes_on_where_it_is_moved_and_a_copy_leaves_the_original(
    project, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        plots, "write_plots", lambda _study, folder, _title: [write_page(folder / "search.html")]
    )
    path = searches.write(Path("sweep.yaml"), s=searches.search(n_trials=4))
    found = searches.table(searches.run(path))
    engine = open_store().client._tracking_client.store.engine
    engine.dispose()
    moved, copied = tmp_path / "moved ü#%20", tmp_path / "copied"
    shutil.move(project, moved)
    os.chdir(moved)
    assert searches.table(searches.run(path)) == found
    store = open_store()
    records = find_runs(store)
    assert len(records) == 5
    for record in records:
        assert record.artifact_uri.startswith((moved / "mlruns").as_uri() + "/")
        listed = [file.path for file in store.client.list_artifacts(record.run_id)]
        assert listed == (["plots"] if record.kind == "search" else ["checkpoints"][: len(listed)])
    best = next(r.tags["harness.best_run"] for r in records if r.kind == "search")
    assert local_checkpoint(store, best).is_relative_to(moved)

    store.client._tracking_client.store.engine.dispose()
    before = contents(moved / "mlruns" / "artifacts")
    shutil.copytree(moved, copied, symlinks=True)
    os.chdir(copied)
    path = searches.write(Path("sweep.yaml"), s=searches.search(n_trials=8))
    assert searches.table(searches.run(path))[:4] == found
    assert contents(moved / "mlruns" / "artifacts") == before
    assert checkpoints(open_store(), best)
    assert CliRunner().invoke(app, ["gc"]).exit_code == 0
    assert contents(moved / "mlruns" / "artifacts") == before


def write_page(path: Path) -> Path:
    path.write_text("plots")
    return path
