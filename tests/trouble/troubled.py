"""A sweep that is disturbed, a disk that fills up, and what a store holds to the byte."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

from sweep_files import write_sweep

from harness.observer import Observer
from harness.spec.load import load_sweep
from harness.spec.sweep_file import Sweep
from harness.tracking.read import find_runs
from harness.tracking.store import open_store

RUNS = {
    "a": {"checkpoint": {"every": 40}},
    "b": {"optimizer": {"lr": 0.1}, "checkpoint": {"every": 40}},
}
LENGTH = {"train": {"steps": 120, "log_every": 1000}}


class Disk:
    """A small file system of its own, with a project folder that is the current directory."""

    def __init__(self, mount: Path) -> None:
        self.mount, self.project = mount, mount / "project"
        self._filler = mount / "filler"

    def fill(self) -> None:
        """Leave no room."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (2**20, 2**16, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()

    def remount(self, options: str) -> None:
        """Mount it again with other options."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.mount], check=True)


class AtStep(Observer):
    """Does something once, when a run has come to a step."""

    def __init__(self, step: int, do: Callable[[], object]) -> None:
        self.step, self.do, self.done = step, do, False

    def on_losses(self, run, losses):
        if losses[-1][0] >= self.step and not self.done:
            self.done = True
            self.do()


def sweep() -> Sweep:
    """The sweep of two runs that is disturbed."""
    return load_sweep(write_sweep(Path("sweep.yaml"), RUNS, **LENGTH))


def all_points() -> dict[str, list[tuple[int, float]]]:
    """Every point of the loss that the database holds, doubled ones too, by run."""
    names = {run.run_id: run.name for run in find_runs(open_store(create=False))}
    with contextlib.closing(sqlite3.connect("mlruns/mlflow.db")) as connection:
        query = "SELECT run_uuid, step, value FROM metrics WHERE key = 'train/loss'"
        found = sorted(connection.execute(query))
    return {
        name: [(step, value) for run_id, step, value in found if run_id == wanted]
        for wanted, name in names.items()
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every link, as where it leads."""
    return {
        str(path.relative_to(folder)): bytes(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
