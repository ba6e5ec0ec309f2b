"""A kill before every single change of the disk, of what must be there whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from fault_cases import creating, killing
from fault_cases.processes import asked, import_all
from sweep_files import corpus_of, tiny_config, write_sweep

from harness.gpt.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, verify_checkpoint
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking import artifacts, sqlite_creation
from harness.tracking.read import checkpoints, find_runs
from harness.tracking.store import open_store
from harness.train.resume import checkpoint_of
from harness.train.state import start

MOST = 500


def checkpoint(seed: int) -> Checkpoint:
    config = tiny_config(seed={"model": seed})
    return checkpoint_of(start(config, corpus_of(config)), f"v1-{seed:032}")


def fingerprints(folder: Path) -> set[str]:
    """Of every checkpoint that has its name, each found whole."""
    return {verify_checkpoint(path).fingerprint for path in folder.glob("step_*")}


@pytest.mark.parametrize("replacing", [False, True], ids=["new", "replacing"])
def test_a_checkpoint_that_is_saved_is_there_whole_or_not_at_all(tmp_path, replacing):
    first, second = checkpoint(1), checkpoint(2)
    folder = tmp_path / "checkpoints"
    target = folder / "step_000001"
    seen = []

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if replacing:
            save_checkpoint(target, first)

    def save() -> None:
        save_checkpoint(target, second)

    for killed in killing.kills(prepare, save, folder, MOST):
        found = fingerprints(folder)
        seen.append(tuple(sorted(found)))
        assert len(found) <= 1, killed
        save()  # whatever was left is no hindrance
        assert fingerprints(folder) == {second.fingerprint}, killed
        assert [path.name for path in folder.iterdir()] == ["step_000001"], killed
        load_checkpoint(target)
    assert len(seen) >= 10
    assert (second.fingerprint,) in seen
    assert ((first.fingerprint,) if replacing else ()) in seen


def test_a_checkpoint_that_is_published_or_removed_is_there_whole_or_not_at_all(project):
    path = write_sweep(Path("sweep.yaml"), {"a": {"checkpoint": {"every": 2}}})
    run_sweep(load_sweep(path))
    store = open_store()
    (run,) = find_runs(store)
    names = checkpoints(store, run.run_id)
    home = artifacts.artifacts_dir(store, run.artifact_uri)
    assert home is not None
    kept = project / "kept"
    shutil.copytree(home.parent, kept)

    def publish() -> None:
        artifacts.publish(store, run.artifact_uri, project / "staged", names[0])

    def remove() -> None:
        artifacts.remove(store, run.run_id, run.artifact_uri, names[0])

    def prepare() -> None:
        shutil.rmtree(project / "staged", ignore_errors=True)
        shutil.copytree(kept / "artifacts" / "checkpoints" / names[1], project / "staged")
        shutil.rmtree(home.parent)
        shutil.copytree(kept, home.parent)

    for action in (publish, remove):
        num_kills = 0
        for killed in killing.kills(prepare, action, project, MOST):
            num_kills += 1
            assert len(fingerprints(home / "checkpoints")) == 1, killed
            assert checkpoints(store, run.run_id)[-1] == names[1], killed
        assert num_kills >= 3


def left_in(folder: Path) -> tuple[object, ...]:
    """Every point of the losses, every run's end, and the checkpoints' files, without harness."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        points = connection.execute("SELECT key, step, value FROM metrics ORDER BY 1, 2").fetchall()
        runs = connection.execute("SELECT name, status, lifecycle_stage FROM runs").fetchall()
    files = {
        "/".join(path.parts[-2:]): path.read_bytes()
        for path in sorted(folder.glob("artifacts/*/*/artifacts/checkpoints/*/*"))
    }
    return points, runs, files


@pytest.mark.parametrize(
    "tries",
    [pytest.param(9, marks=pytest.mark.slow), pytest.param(MOST, marks=pytest.mark.campaign)],
)
def test_a_sweep_that_is_killed_before_any_change_of_the_disk_ends_the_same(project, tries):
    path = write_sweep(Path("sweep.yaml"), {"a": {"checkpoint": {"every": 3}}})
    store, empty = project / "mlruns", project.parent / "empty"
    shutil.copytree(store, empty)

    def run() -> None:
        assert run_sweep(load_sweep(path)).exit_code == 0

    def prepare() -> None:
        shutil.rmtree(store)
        shutil.copytree(empty, store)

    import_all()  # once, not in every fork
    asked(run)  # in a fork, like those below: none has opened the store
    wanted = left_in(store)
    num_kills = 0
    for killed in killing.kills(prepare, run, store, tries):
        num_kills += 1
        asked(run)
        assert left_in(store) == wanted, killed
        assert not list((store / ".state").glob("*/")), killed
    assert num_kills >= 9


@pytest.mark.parametrize(
    "tries",
    [25, pytest.param(MOST, marks=pytest.mark.campaign)],
)
def test_a_store_whose_creation_is_killed_before_any_change_of_the_disk_is_made_by_the_next(
    tmp_path, ready_made_store, no_store_named, monkeypatch, tries
):
    """What MLflow does in seconds and 1,000 writes is one write here; the next test kills those."""
    fresh, folder, wanted = (tmp_path / name for name in ("fresh.db", "killed", "wanted"))
    shutil.copyfile(ready_made_store, fresh)
    with contextlib.closing(sqlite3.connect(fresh)) as connection:
        connection.execute("DROP TABLE sqlite_stat1")
        connection.execute("PRAGMA journal_mode = DELETE")
    tables = fresh.read_bytes()
    monkeypatch.setattr(sqlite_creation, "_build_schema", lambda path, _: path.write_bytes(tables))
    wanted.mkdir()
    creating.open_default(wanted)

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    tally = killing.each_kill(
        prepare,
        lambda: creating.open_default(folder),
        lambda: creating.wrong_with_default(folder, wanted),
        folder,
        tries,
    )
    assert tally.failures == []
    assert tally.tried >= 25


@pytest.mark.campaign
def test_a_store_is_made_by_the_next_call_also_when_mlflow_is_killed_in_its_migrations(
    tmp_path, no_store_named
):
    row = creating.created(tmp_path, 300)
    assert row.product.failures == []
    assert row.control.failures
