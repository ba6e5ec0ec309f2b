from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sweep_files import write_sweep
from troubled import LENGTH, RUNS, Disk

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking import relocation
from harness.tracking.read import history
from harness.tracking.store import open_store

LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def disk(tmp_path: Path, no_store_named, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk of 40 MB, with an empty folder `project`."""
    mount = tmp_path.resolve() / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", mount]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root mounts a disk of its own")
    made = Disk(mount)
    made.project.mkdir()
    monkeypatch.chdir(made.project)
    try:
        yield made
    finally:
        monkeypatch.chdir(tmp_path)
        subprocess.run(["umount", "--lazy", mount], check=True)


@pytest.fixture
def disk_with_store(disk: Disk, ready_made_store: Path) -> Disk:
    """The disk with an empty store in the project."""
    database = disk.project / "mlruns" / "mlflow.db"
    database.parent.mkdir()
    shutil.copyfile(ready_made_store, database)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        relocation.mend(connection, database.parent)
    return disk


@pytest.fixture
def locked() -> Iterator[Callable[..., int]]:
    """Has another process lock a database for some seconds; its pid."""
    processes = []

    def lock(database: Path, seconds: float = 60) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", LOCKER, database, str(seconds)], stdout=subprocess.PIPE
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        return process.pid

    yield lock
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def undisturbed(ready_made_store: Path, tmp_path_factory) -> dict[str, list[tuple[int, float]]]:
    """The losses of `RUNS`, by run, where nothing disturbs them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copyfile(ready_made_store, folder / "mlflow.db")
    path = write_sweep(folder / "sweep.yaml", RUNS, **LENGTH)
    uri = f"sqlite:///{folder}/mlflow.db"
    result = run_sweep(load_sweep(path), tracking_uri=uri)
    store = open_store(uri, folder)
    return {r.planned.name: [*history(store, str(r.run_id)).items()] for r in result.runs}
