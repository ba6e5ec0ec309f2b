"""A kill at every change of the disk while the default store is created, SQLite's own included.

Afterwards the next call must open the store, with all of MLflow's schema, and nothing else may lie
in the folder. The control is MLflow's own creation, killed in the same way and then opened by
MLflow.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy

from fault_cases.killing import each_kill
from fault_cases.processes import Failed, asked, folder_in_memory, inside
from fault_cases.rows import Row, Tally, fewer
from harness.tracking.mlflow_api import MlflowClient
from harness.tracking.store import open_store

DATABASE = Path("mlruns") / "mlflow.db"
LEFT = {"mlflow.db", "mlruns", "mlruns/mlflow.db", "mlruns/.mlflow.db.lock"}
OF_CONNECTIONS = {"mlruns/mlflow.db-wal", "mlruns/mlflow.db-shm"}  # a fork's that was not closed
COST = 4  # each try makes two stores


def rows(tries: int) -> Iterator[Row]:
    with folder_in_memory() as home:
        open_default(home / "first")  # imports what the forks would each import anew
        yield created(home, fewer(tries, COST))


def created(home: Path, tries: int) -> Row:
    """The row of the default store's creation, killed at `tries` of some 2,300 places."""
    product = _killed(home / "product", open_default, wrong_with_default, tries)
    control = _killed(home / "control", open_by_mlflow, _wrong_with_mlflows, tries)
    return Row("kill while the store is created", product, "MLflow's own creation", control)


def open_default(folder: Path) -> None:
    """The default store of a folder, made where it is not there."""
    open_store(None, folder, create=True)


def wrong_with_default(folder: Path, wanted: Path) -> str | None:
    """What the next call makes of a folder in which a creation was killed, beside a sound one."""
    try:
        asked(lambda: open_default(folder))
    except Failed as failed:
        return str(failed)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")} - OF_CONNECTIONS
    if found != LEFT or (folder / "mlflow.db").readlink() != DATABASE:
        return f"there lies {sorted(found)}"
    return _difference(folder, wanted)


def open_by_mlflow(folder: Path) -> None:
    (folder / "mlruns").mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        MlflowClient(f"sqlite:///{folder / DATABASE}").search_experiments()


def _wrong_with_mlflows(folder: Path, wanted: Path) -> str | None:
    try:
        asked(lambda: open_by_mlflow(folder))
    except Failed as failed:
        return str(failed)
    return _difference(folder, wanted)


def _killed(
    home: Path,
    create: Callable[[Path], None],
    wrong: Callable[[Path, Path], str | None],
    tries: int,
) -> Tally:
    """Kill a creation in a folder, again and again, and look at what comes of it."""
    folder, wanted = home / "killed", home / "wanted"
    wanted.mkdir(parents=True)
    asked(lambda: create(wanted))

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    return each_kill(
        prepare,
        inside(lambda: create(folder), home),
        lambda: wrong(folder, wanted),
        folder,
        tries,
    )


def _difference(folder: Path, wanted: Path) -> str | None:
    try:
        missing = set(_contents(wanted / DATABASE)) ^ set(_contents(folder / DATABASE))
    except sqlite3.Error as error:
        return f"{error}"
    return f"{sorted(missing)[0]} is not as it should be" if missing else None


def _contents(database: Path) -> list[tuple[str, ...]]:
    """Tables with their columns, indexes, triggers; MLflow's revision and default experiment.

    Not the text of the tables: the order of constraints differs from one creation to the next.
    """
    queries = (
        'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk '
        "FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        "SELECT type, name FROM sqlite_master",
        "SELECT version_num FROM alembic_version",
        "SELECT name, lifecycle_stage FROM experiments",
        "PRAGMA integrity_check",
    )
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [tuple(map(str, row)) for query in queries for row in connection.execute(query)]
