"""Databases that are damaged, foreign, read-only or of another MLflow: told, left as they are."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sysconfig
from pathlib import Path

import pytest
import searches
import sqlalchemy
from sweep_files import harness
from troubled import contents, sweep

from harness.errors import StoreError
from harness.search import plots
from harness.sweep import plan_sweep, run_sweep
from harness.tracking.read import find_runs
from harness.tracking.store import open_store

PAGE = 4096


def damaged(content: bytes, how: str) -> bytes:
    """The bytes of a database after an accident."""
    if how == "garbage":
        return b"not a database" * 1000
    if how == "cut short":
        return content[: len(content) // 2]
    sizes = {"empty": 0, "one byte": 1, "a byte short": -1}
    if how in sizes:
        return content[: sizes[how]]
    half = len(content) // PAGE // 2 * PAGE  # flipped: every bit of one page of tables
    page = bytes(255 - byte for byte in content[half : half + PAGE])
    return content[:half] + page + content[half + PAGE :]


HOWS = ("garbage", "cut short", "empty", "one byte", "a byte short", "flipped page")
LEFT = r"(was left as it is|left as it was)"


@pytest.fixture(scope="module")
def recorded(ready_made_store, tmp_path_factory) -> Path:
    """A project in which a small search was run: both databases, closed, to be copied."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(plots, "write_plots", lambda *_: [])
        patch.chdir(folder)
        (folder / "mlruns").mkdir()
        shutil.copyfile(ready_made_store, folder / "mlruns" / "mlflow.db")
        path = searches.write(Path("search.yaml"), s=searches.search(n_trials=4))
        searches.run(path)
        run_sweep(sweep())
        for name in ("mlflow.db", "optuna.db"):
            with contextlib.closing(sqlite3.connect(folder / "mlruns" / name)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def copied(recorded, tmp_path, no_store_named, no_plots, monkeypatch) -> Path:
    """A copy of it, as the current directory."""
    folder = tmp_path / "copied"
    shutil.copytree(recorded, folder, symlinks=True)
    for name in ("mlflow.db", "optuna.db"):
        for suffix in ("-wal", "-shm"):
            (folder / "mlruns" / f"{name}{suffix}").unlink(missing_ok=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_store_is_told_by_whoever_opens_it_and_stays_byte_for_byte(copied, how):
    database = copied / "mlruns" / "mlflow.db"
    content = damaged(database.read_bytes(), how)
    database.write_bytes(content)
    for call in (run_sweep, plan_sweep):
        with pytest.raises(StoreError, match=rf"mlflow\.db: .*{LEFT}"):
            call(sweep())
    assert database.read_bytes() == content


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_study_is_told_and_stays_byte_for_byte(copied, how):
    database = copied / "mlruns" / "optuna.db"
    content = damaged(database.read_bytes(), how)
    database.write_bytes(content)
    with pytest.raises(StoreError, match=rf"optuna\.db: .*{LEFT}"):
        searches.run(Path("search.yaml"))
    assert database.read_bytes() == content


def test_another_programs_database_as_the_storage_gets_no_tables(project):
    with contextlib.closing(sqlite3.connect("notes.db")) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = Path("notes.db").read_bytes()
    for name in ("notes.db", "mlruns/mlflow.db"):
        path = searches.write(Path("s.yaml"), s=searches.search(storage=f"sqlite:///{name}"))
        with pytest.raises(StoreError, match=r"another program's database, without a study"):
            searches.run(path)
    assert Path("notes.db").read_bytes() == before


def test_a_store_that_lost_a_table_is_told(project):
    with contextlib.closing(sqlite3.connect("mlruns/mlflow.db")) as connection:
        connection.execute("DROP TABLE logged_model_metrics")
    with pytest.raises(StoreError, match=r"tables of MLflow's are missing in it; put a copy back"):
        open_store()


def downgrade(database: Path) -> str:
    """Take a store to the schema of an older MLflow, by MLflow's own migration; its revision."""
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    config = _get_alembic_config(f"sqlite:///{database}")
    older = list(ScriptDirectory.from_config(config).walk_revisions())[1].revision
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, older)
    engine.dispose()
    return older


@pytest.mark.slow
def test_a_store_of_an_older_mlflow_is_upgraded_by_the_command_that_is_told_and_not_before(project):
    database = project / "mlruns" / "mlflow.db"
    older = downgrade(database)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = database.read_bytes()
    with pytest.raises(StoreError, match=rf"{older}\) is older than that of MLflow") as caught:
        open_store()
    assert database.read_bytes() == before
    command = str(caught.value).partition("then type: ")[2]
    assert command == f"mlflow db upgrade sqlite:///{database}"
    scripts = sysconfig.get_path("scripts")
    subprocess.run([f"{scripts}/mlflow", *command.split()[1:]], check=True, capture_output=True)
    assert harness("gc", "--dry-run", cwd=project).stdout == "nothing to remove\n"


def test_a_read_only_folder_is_told(disk_with_store):
    disk = disk_with_store
    (disk.mount / "empty").mkdir()
    disk.remount("ro")
    before = contents(disk.project)
    with pytest.raises(StoreError, match=r"the folder .*/mlruns is read-only; make it writable"):
        run_sweep(sweep_in(disk.mount.parent))
    assert contents(disk.project) == before
    with pytest.raises(StoreError, match=r"cannot be created: the folder .*/empty is read-only"):
        open_store(None, disk.mount / "empty")


def sweep_in(folder: Path):
    with contextlib.chdir(folder):
        return sweep()


def test_a_read_only_database_is_told(disk_with_store):
    database = disk_with_store.project / "mlruns" / "mlflow.db"
    subprocess.run(["mount", "--bind", database, database], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", database], check=True)
    try:
        with pytest.raises(StoreError, match=r"mlflow\.db: .*the file is read-only; make it writ"):
            run_sweep(sweep())
        assert find_runs(open_store(create=False)) == []
    finally:
        subprocess.run(["umount", "--lazy", database], check=True)
