"""What a plan says of searches: what there is, what is to do and why; nothing is written."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from searches import LR, StopAt, run, search, study, write
from sweep_files import environment

from harness.errors import NothingMatched, StoreError
from harness.interrupts import Interrupted
from harness.search.planned import PlannedSearch
from harness.spec.load import load_sweep
from harness.sweep import plan_searches
from harness.tracking.read import find_runs
from harness.tracking.recorder import Recorder
from harness.tracking.store import open_store

pytestmark = pytest.mark.usefixtures("no_plots")

PLAN = """
import sys
from harness.spec.load import load_sweep
from harness.sweep import plan_searches
print([s.reason for s in plan_searches(load_sweep("s.yaml"))])
print([name for name in ("optuna", "torch") if name in sys.modules])
"""


def plan(path: Path, only: str = "s") -> PlannedSearch:
    (planned,) = plan_searches(load_sweep(path), only=[only])
    return planned


def contents(folder: Path) -> dict[str, str]:
    """Every file of a study's database with its digest, but for what its readers lock in."""
    files = [file for file in folder.glob("**/*optuna.db*") if not file.name.endswith("-shm")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_search_that_was_never_run_is_new_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "s.yaml", s=search(), other=search(n_trials=3))
    planned = plan(path)
    assert (planned.num_trials, planned.num_to_do, planned.reason) == (8, 8, "new")
    assert (planned.result.trials, planned.result.run_id) == ((), None)
    assert planned.result.study.startswith("sweep/s/")
    assert planned.engines == ("plain",)
    assert [p.num_trials for p in plan_searches(load_sweep(path))] == [8, 3]
    with pytest.raises(NothingMatched):
        plan_searches(load_sweep(path), only=["nobody"])
    assert list(tmp_path.iterdir()) == [path]


def test_planning_imports_no_torch_and_optuna_only_for_a_database_of_studies(project):
    write(project / "s.yaml", s=search(n_trials=2, storage="sqlite:///deep/down/optuna.db"))

    def told() -> list[str]:
        call = subprocess.run(
            [sys.executable, "-c", PLAN], capture_output=True, text=True, env=environment()
        )
        assert call.stderr == ""
        return call.stdout.splitlines()

    assert told() == ["['new']", "[]"]
    assert not (project / "deep").exists()
    run(project / "s.yaml")
    assert told() == ["['finished']", "['optuna']"]


def test_a_plan_says_what_the_next_call_finds_and_leaves_the_study_as_it_is(project):
    path = write(project / "s.yaml", s=search())
    result = run(path)
    before = contents(project)
    planned = plan(path)
    assert (planned.num_trials, planned.num_to_do, planned.reason) == (8, 0, "finished")
    assert planned.result.trials == result.trials
    assert planned.result.best == result.best
    assert planned.result.study == result.study
    assert planned.result.run_id == result.run_id
    more = plan(write(project / "s.yaml", s=search(n_trials=12)))
    assert (more.num_trials, more.num_to_do, more.reason) == (12, 4, "unfinished")
    fewer = plan(write(project / "s.yaml", s=search(n_trials=2)))
    assert (fewer.num_trials, fewer.num_to_do, fewer.reason) == (8, 0, "finished")
    changed = plan(write(project / "s.yaml", s=search(space={"optimizer.lr": {"choices": [1.0]}})))
    assert (changed.num_trials, changed.num_to_do, changed.reason) == (8, 8, "changed")
    assert changed.result.trials == ()
    assert contents(project) == before


@pytest.mark.parametrize("stop", [1, 2, 7, 12, 20])
def test_what_is_to_do_of_a_search_that_was_stopped_is_what_the_next_call_ends(stop, project):
    path = write(project / "s.yaml", s=search(n_trials=10))
    with pytest.raises(Interrupted):
        run(path, observer=StopAt(stop))
    before = contents(project)
    planned = plan(path)
    assert contents(project) == before
    ended = len(planned.result.trials)
    assert planned.num_to_do == 10 - ended > 0
    assert planned.reason == ("unfinished" if len(study(planned.result).trials) else "new")
    result = run(path)
    assert (len(result.trials), plan(path).reason) == (10, "finished")


def test_trials_without_their_parent_are_unfinished(project):
    path = write(project / "s.yaml", s=search(n_trials=2))
    result = run(path)
    assert result.run_id is not None
    open_store().client.delete_run(result.run_id)
    planned = plan(path)
    assert (planned.num_to_do, planned.reason) == (0, "unfinished")
    run(path)
    assert plan(path).reason == "finished"


def test_another_programs_open_trial_is_not_to_do(project):
    path = write(project / "s.yaml", s=search(n_trials=4))
    result = run(path)
    study(result).ask()
    planned = plan(write(project / "s.yaml", s=search(n_trials=8)))
    assert (planned.num_trials, planned.num_to_do) == (8, 3)
    assert run(path).num_new == 3


def test_a_grid_is_planned_with_as_many_trials_as_it_has_points(project):
    when = {"optimizer.name": "adamw"}
    space = {
        "optimizer.name": {"choices": ["adamw", "sgd"]},
        "optimizer.lr": [
            {"choices": [0.01, 0.1], "when": when},
            {"choices": [0.1, 0.2, 0.3], "when": {"optimizer.name": "sgd"}},
        ],
    }
    entry = search(space=space, sampler={"name": "grid"}, enqueue=[{"optimizer.name": "sgd"}])
    for n_trials, wanted in ((100, 6), (3, 3), (1, 1)):
        path = write(project / "s.yaml", s={**entry, "n_trials": n_trials})
        assert plan(path).num_trials == wanted
    run(write(project / "s.yaml", s={**entry, "n_trials": 100}))
    assert plan(project / "s.yaml").reason == "finished"


def test_the_engines_are_those_of_the_whole_space(project):
    entry = search(space={"train.engine": {"choices": ["stacked", "plain"]}, **LR})
    assert plan(write(project / "s.yaml", s=entry)).engines == ("stacked", "plain")


@pytest.mark.parametrize("how", ["empty", "half-made", "of another program"])
def test_a_database_without_our_study_holds_none(how, project):
    path = write(project / "s.yaml", s=search())
    database = project / "mlruns" / "optuna.db"
    if how == "of another program":
        optuna.create_study(study_name="theirs", storage=f"sqlite:///{database}")
    else:
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            if how == "half-made":
                connection.execute("CREATE TABLE studies (study_id INTEGER)")
                connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    before = contents(project)
    assert plan(path).reason == "new"
    assert contents(project) == before


def test_a_study_that_is_being_written_is_read_with_what_its_log_holds(project):
    path = write(project / "s.yaml", s=search(n_trials=2))
    run(path)
    database = project / "mlruns" / "optuna.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        with connection:
            connection.execute("DELETE FROM trials WHERE number = 1")
        assert database.with_name("optuna.db-wal").stat().st_size > 0
        before = contents(project)
        planned = plan(path)
        assert (planned.num_to_do, planned.reason) == (1, "unfinished")
        assert contents(project) == before


def test_a_file_that_is_no_database_is_told(project):
    path = write(project / "s.yaml", s=search())
    (project / "mlruns" / "optuna.db").write_text("not a database at all, but text")
    with pytest.raises(
        StoreError, match=r"optuna\.db: cannot open the study: the file is not a readable"
    ):
        plan(path)


def test_odd_characters_in_the_folder_are_its_name(project, monkeypatch):
    folder = project / "a {b} ?c %41 #d"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = write(folder / "s.yaml", s=search(n_trials=2))
    assert plan(path).reason == "new"
    run(path)
    assert (folder / "mlruns" / "optuna.db").is_file()
    assert plan(path).reason == "finished"


def test_a_parent_whose_end_was_not_written_is_unfinished(project):
    path = write(project / "s.yaml", s=search(n_trials=2))
    run(path)
    (parent,) = [r for r in find_runs(open_store()) if r.kind == "search"]
    Recorder(open_store(), "0", {}).set_tag(parent.run_id, "harness.state", "killed")
    assert plan(path).reason == "unfinished"
