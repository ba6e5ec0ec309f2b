"""Damage to both databases: told when the file is opened or read, or taken for good.

SQLite has no checksums, so nothing is promised about a bit that is flipped in a sound page. A file
that is cut short or empty, and a page of tables that is overwritten, must be told.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna

from fault_cases.damage import SEED, Damage, Victim, cuts, flips
from fault_cases.processes import Failed, asked, folder_in_memory, import_all, run
from fault_cases.rows import Row
from fault_cases.small_sweep import subjects
from harness.errors import HarnessError
from harness.search.storage_file import check_storage
from harness.spec.load import load_sweep
from harness.sweep import SweepPlan
from harness.tracking.mlflow_api import MlflowClient
from harness.tracking.read import all_histories, find_runs
from harness.tracking.store import open_store

PAGE = 4096


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        subject, project = subjects(home)["search"], home / "project"
        subject.prepare(project)
        ended = run(subject.work, project)
        assert ended.code == 0, ended.output
        for victim in (_store(project), _study(project)):
            _close(victim.path)
            yield victim.row(_cuts_and_pages, "cut short, pages overwritten", tries)
            yield victim.row(flips, "bits flipped", tries, is_promised=False)


def _store(project: Path) -> Victim:
    path = project / "mlruns" / "mlflow.db"
    ours = _apart(lambda: _read_store(project), path)
    mlflows = _apart(lambda: _read_by_mlflow(path), path)
    return Victim("mlflow.db", path, ours, "`MlflowClient`", mlflows)


def _study(project: Path) -> Victim:
    path = project / "mlruns" / "optuna.db"
    ours = _apart(lambda: _read_study(project, path), path)
    optunas = _apart(lambda: _read_by_optuna(path), path)
    return Victim("optuna.db", path, ours, "`optuna.create_study`", optunas)


def _read_store(project: Path) -> object:
    """Every record and every curve, as all commands read them."""
    store = open_store(None, project, create=False)
    return [[repr(run), repr(all_histories(store, run))] for run in find_runs(store)]


def _read_study(project: Path, path: Path) -> object:
    """The trials, as a search reads them before it goes on."""
    os.chdir(project)
    check_storage(path)
    (search,) = SweepPlan(load_sweep(project / "sweep.yaml")).searches()
    return [search.reason, *map(repr, search.result.trials)]


def _read_by_mlflow(path: Path) -> object:
    client = MlflowClient(f"sqlite:///{path}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments)
    points = [
        client.get_metric_history(run.info.run_id, name)
        for run in runs
        for name in run.data.metrics
    ]
    curves = [[repr(dict(point)) for point in curve] for curve in points]
    return [sorted(repr(run.to_dictionary()) for run in runs), sorted(curves)]


def _read_by_optuna(path: Path) -> object:
    """As a script does that goes on with its study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{path}"
    (name,) = optuna.get_all_study_names(storage) or ["search"]
    study = optuna.create_study(study_name=name, storage=storage, load_if_exists=True)
    return list(map(repr, study.trials))


def _apart(read: Callable[[], Any], database: Path) -> Callable[[Path], Any]:
    """Read in a fork: a connection that stays open would remember the sound pages."""

    def answer(_: Path) -> Any:
        for suffix in ("-wal", "-shm", "-journal"):
            database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
        try:
            return asked(read)
        except Failed as failed:
            if failed.is_ours:
                raise HarnessError(str(failed)) from failed
            raise

    return answer


def _cuts_and_pages(content: bytes, tries: int) -> Iterator[Damage]:
    yield from cuts(content, tries // 2)
    draw = random.Random(SEED)
    for _ in range(tries - tries // 2):
        start = draw.randrange(len(content) // PAGE) * PAGE
        rubbish = draw.randbytes(PAGE)
        changed = content[:start] + rubbish + content[start + PAGE :]
        yield Damage(f"page at {start:,} overwritten", changed)


def _close(database: Path) -> None:
    """Put all of a database into its one file."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
