"""Fixtures for the whole suite: a directory with a real, empty MLflow store, and a finished sweep.

Creating a store takes a second or two of MLflow's migrations, so one is made for all tests (and
for all workers of pytest-xdist), and each test that asks for `project` gets a copy.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sweep_files
from filelock import FileLock
from postgres import Postgres, started_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow ones: one at the end would leave the other workers idle."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of pytest-xdist share, for what is made once for all tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def ready_made_store(shared: Path) -> Path:
    """The database file of an empty store: to be copied, never to be opened."""
    from harness.tracking.sqlite_creation import ensure_database

    database = shared / "ready-made" / "mlflow.db"
    with FileLock(shared / "ready-made.lock"):
        ensure_database(database)
    return database


@pytest.fixture(scope="session")
def ready_made_verdict(shared: Path, ready_made_store: Path) -> Path:
    """The file that says that rows may be written; a store without it takes 0.3 s to find out."""
    from harness.tracking import canary

    cache = shared / "ready-made-cache"
    with FileLock(shared / "ready-made.lock"):
        assert canary.difference(ready_made_store, cache) is None
    return cache / canary.VERDICT_FILE


@pytest.fixture
def another_store(ready_made_store: Path) -> Callable[[Path], str]:
    """Makes an empty store beside that of the project; its URI."""

    def make(database: Path) -> str:
        database.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ready_made_store, database)
        return f"sqlite:///{database}"

    return make


@pytest.fixture
def no_store_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store but the default one is meant, whatever the shell that runs the tests says."""
    _name_no_store(monkeypatch)


def _name_no_store(patch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI"):
        patch.delenv(name, raising=False)


@pytest.fixture
def process_as_torch_left_it() -> Iterator[None]:
    """Digits are those of one thread; threads and random state are put back after the test."""
    import torch

    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(generator)


@pytest.fixture
def project(
    tmp_path: Path,
    ready_made_store: Path,
    ready_made_verdict: Path,
    no_store_named: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The current directory of the test: `mlruns/mlflow.db`, empty, with the link to it."""
    folder = tmp_path.resolve() / "project"
    _make_project(folder, ready_made_store, ready_made_verdict)
    monkeypatch.chdir(folder)
    return folder


def _make_project(folder: Path, ready_made_store: Path, ready_made_verdict: Path) -> None:
    from harness.tracking import relocation

    cache = folder / "mlruns" / ".cache"
    cache.mkdir(parents=True)
    shutil.copyfile(ready_made_store, folder / "mlruns" / "mlflow.db")
    shutil.copyfile(ready_made_verdict, cache / ready_made_verdict.name)
    (folder / "mlflow.db").symlink_to(Path("mlruns") / "mlflow.db")
    connection = sqlite3.connect(folder / "mlruns" / "mlflow.db")
    with connection:
        relocation.mend(connection, folder / "mlruns")
    connection.close()


@pytest.fixture(scope="session")
def trained_once(
    shared: Path, ready_made_store: Path, ready_made_verdict: Path
) -> Callable[[str, Callable[[], None]], Path]:
    """Trains something in a project of its own, once for all workers; the folder, to be read."""

    def once(name: str, train: Callable[[], None]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                _make_project(folder, ready_made_store, ready_made_verdict)
                with pytest.MonkeyPatch.context() as patch:
                    _name_no_store(patch)
                    patch.chdir(folder)
                    train()
                done.touch()
        return folder

    return once


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """Searches draw no plots; the function that would have drawn them.

    A set takes 2 s of CPU, more than the trials do. Those of real searches are looked at in
    `search/test_searches.py`, and `search/test_plots.py` is about them.
    """
    from harness.search import plots  # plotly and matplotlib take half a second

    draw = plots.write_plots
    monkeypatch.setattr(plots, "write_plots", lambda *_: [])
    return draw


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; each test makes databases of its own in it."""
    with started_server() as server:
        yield server


@dataclasses.dataclass(frozen=True)
class Chapter:
    """A directory in which the whole chapter was run once: to be read, never to be written."""

    folder: Path
    first: subprocess.CompletedProcess[str]
    """The first call, in an empty directory."""
    second: subprocess.CompletedProcess[str]
    """The same again, with `--json`, and a JUnit file beside the sweep file."""


@pytest.fixture(scope="session")
def finished_chapter(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Chapter:
    """The chapter's `experiments.yaml`, run twice by the real command; once for all workers."""
    folder, outputs = shared / "chapter", shared / "chapter.json"
    with FileLock(shared / "chapter.lock"):
        if not outputs.exists():
            folder.mkdir()
            shutil.copyfile(sweep_files.CHAPTER_FILE, folder / "experiments.yaml")
            sweep_files.compile_stacked_engine(tmp_path_factory.mktemp("compiled"))
            calls = [
                sweep_files.harness("run", "experiments.yaml", *flags, cwd=folder)
                for flags in ([], ["--json", "--junit", "claims.xml"])
            ]
            texts = [[call.returncode, call.stdout, call.stderr] for call in calls]
            outputs.write_text(json.dumps(texts))
    first, second = (
        subprocess.CompletedProcess("harness", *text) for text in json.loads(outputs.read_text())
    )
    return Chapter(folder, first, second)


@pytest.fixture
def chapter(
    finished_chapter: Chapter, no_store_named: None, monkeypatch: pytest.MonkeyPatch
) -> Chapter:
    """The finished chapter, as the current directory of the test."""
    monkeypatch.chdir(finished_chapter.folder)
    return finished_chapter


REPORTED = {
    "adamw": {
        "matrix": {"optimizer.lr": [0.01, 0.1]},
        "seeds": 3,
        "expect": [
            {"metric": "train/loss", "at": 1, "above": 0.1},
            {"metric": "train/loss", "below": 1e-9, "over": "mean"},
        ],
    },
    "sgd": {
        "optimizer": {"name": "sgd"},
        "matrix": {"optimizer.lr": [0.01, 0.1, 1e6]},
        "seeds": 3,
    },
    "sizes": {"matrix": {"train.batch_size": [1, 4]}, "seeds": 2},
}


@dataclasses.dataclass(frozen=True)
class Reported:
    """A directory with a trained sweep, one learning rate of which diverges, and its report."""

    folder: Path
    page: str
    printed: str


@pytest.fixture(scope="session")
def reported(shared: Path, ready_made_store: Path, ready_made_verdict: Path) -> Reported:
    """`sweep.yaml`, run and reported by the real commands; once for all workers."""
    folder, printed = shared / "reported", shared / "reported.txt"
    with FileLock(shared / "reported.lock"):
        if not printed.exists():
            _make_project(folder, ready_made_store, ready_made_verdict)
            file = folder / "sweep.yaml"
            sweep_files.write_sweep(file, REPORTED, train={"steps": 12, "engine": "plain"})
            run = sweep_files.harness("run", "sweep.yaml", "-q", "-j", "1", cwd=folder)
            assert run.returncode == 3, run.stderr  # one claim fails
            report = sweep_files.harness("report", "sweep.yaml", cwd=folder)
            assert report.returncode == 0, report.stderr
            printed.write_text(report.stdout)
    page = (folder / "sweep-report.html").read_text(encoding="utf-8")
    return Reported(folder, page, printed.read_text())
