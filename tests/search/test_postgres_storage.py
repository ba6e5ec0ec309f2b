"""Studies in PostgreSQL: the same trials as in SQLite, stopped and gone on with, and planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import postgres as servers
import pytest
import sqlalchemy
from searches import HALVING, StopAt, search, table, write

from harness.interrupts import Interrupted
from harness.observer import Observer
from harness.search.planned import PlannedSearch
from harness.search.quiet import quiet
from harness.search.result import SearchResult
from harness.search.storage import close_storage, open_storage, open_to_read
from harness.search.storage_url import StorageUrl
from harness.spec.load import load_sweep
from harness.sweep import plan_searches, run_sweep

pytestmark = pytest.mark.usefixtures("no_plots")

SPACE = {
    "optimizer.lr": {"low": 1e-3, "high": 1.0, "log": True},
    "train.batch_size": {"low": 1, "high": 4},
    "optimizer.weight_decay": {"choices": [0.0, 0.1]},
}


def entry(n_trials: int, **changes: Any) -> dict[str, Any]:
    """Trials with numbers of both kinds and choices, sampled from what is there, and pruned."""
    return search(
        space=SPACE,
        optimizer={"name": "sgd"},
        sampler={"name": "tpe", "seed": 1, "n_startup_trials": 4},
        pruner=HALVING,
        enqueue=[{"optimizer.lr": 1.0, "optimizer.weight_decay": 0.1}],
        n_trials=n_trials,
        **changes,
    )


def run(path: Path, uri: str, observer: Observer | None = None) -> SearchResult:
    sweep = load_sweep(path)
    (result,) = run_sweep(sweep, only=["s"], tracking_uri=uri, observer=observer).searches
    return result


def plan(path: Path, uri: str) -> PlannedSearch:
    (planned,) = plan_searches(load_sweep(path), only=["s"], tracking_uri=uri)
    return planned


def tables_of(url: str) -> list[str]:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    return sqlalchemy.inspect(engine).get_table_names()


@pytest.mark.slow
def test_a_search_in_postgresql_stops_goes_on_and_is_planned_as_in_sqlite(
    project, postgres, another_store
):
    url = postgres.new_database()
    here, apart = (another_store(project / f"{name}.db") for name in ("here", "apart"))
    path = write(project / "s.yaml", s=entry(8, storage=url))
    assert plan(path, here).reason == "new"
    assert tables_of(url) == []
    with pytest.raises(Interrupted):
        run(path, here, StopAt(9))
    planned = plan(path, here)
    assert (planned.num_trials, planned.reason) == (8, "unfinished")
    assert planned.num_to_do == 8 - len(planned.result.trials) > 0
    first = run(path, here)
    assert plan(path, here).reason == "finished"
    path = write(project / "s.yaml", s=entry(12, storage=url))
    result = run(path, here)
    assert (result.num_new, len(result.trials)) == (4, 12)
    assert table(result)[:8] == table(first)

    whole = run(write(project / "lite.yaml", s=entry(12)), apart)
    assert whole.study == result.study
    assert table(result) == table(whole)
    assert {"finished", "pruned"} <= set(result.states)

    assert servers.PASSWORD not in result.storage
    assert "***" in result.storage
    storage = optuna.storages.RDBStorage(url)
    with quiet():
        study = optuna.load_study(study_name=result.study, storage=storage)
    assert [trial.number for trial in study.trials] == list(range(12))
    assert result.best is not None
    assert study.best_trial.number == result.best.number
    close_storage(storage)


def test_infinite_values_are_kept(project, postgres):
    changes = {"space": {"optimizer.lr": {"choices": [0.1, 1e6]}}, "pruner": {"name": "none"}}
    grid = search(**changes, optimizer={"name": "sgd"}, sampler={"name": "grid"})
    path = write(project / "s.yaml", s={**grid, "storage": postgres.new_database()})
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    result = run(path, uri)
    assert result.states == {"finished": 1, "diverged": 1}
    assert table(run(path, uri)) == table(result)


def test_planning_cannot_write_to_the_database(postgres):
    where = StorageUrl.parse(postgres.new_database())
    assert open_to_read(where) is None
    close_storage(open_storage(where))
    storage = open_to_read(where)
    assert storage is not None
    with (
        storage.engine.connect() as connection,
        pytest.raises(sqlalchemy.exc.SQLAlchemyError, match="read-only transaction"),
    ):
        connection.execute(sqlalchemy.text("DELETE FROM studies"))
    close_storage(storage)


def test_a_machine_without_postgresql_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = "initdb is not there: apt-get install postgresql"
    with pytest.raises(pytest.fail.Exception, match=wanted), servers.started_server():
        pass
