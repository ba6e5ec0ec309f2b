"""The checkpoints that someone would look for, as logged models of MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from searches import search
from sweep_files import write_sweep

from harness import models
from harness.garbage import collect_garbage
from harness.results import SweepResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.models import log_models
from harness.tracking.read import StoredRun, all_histories, find_runs, stored_run
from harness.tracking.row_reader import RunRow
from harness.tracking.store import Store, open_store


def run(experiments: dict[str, Any], **flags: Any) -> SweepResult:
    return run_sweep(load_sweep(write_sweep(Path("sweep.yaml"), experiments)), **flags)


def logged(store: Store) -> dict[str, Any]:
    """The logged models of the first sweep by name."""
    found = store.client.search_logged_models(["1"])
    assert len({model.name for model in found}) == len(found)
    return {model.name: model for model in found}


SAVING = {"checkpoint": {"every": 2, "keep_last": 3}, "optimizer": {"lr": 0.3}}


def test_the_best_and_the_last_checkpoint_of_a_run_are_logged_models_with_their_metrics(project):
    run({"a": SAVING})
    store = open_store()
    (record,) = find_runs(store)
    curves = all_histories(store, record)
    best_step = min((2, 4, 6), key=lambda step: curves["train/loss"][step])
    assert best_step != 6, "a run that gets worse is needed here"
    found = logged(store)
    assert set(found) == {"a best", "a final"}
    for name, step in (("a best", best_step), ("a final", 6)):
        model = found[name]
        assert (model.status, model.source_run_id) == ("READY", record.run_id)
        assert model.params == record.params
        at_step = {metric: curve[step] for metric, curve in curves.items() if step in curve}
        assert {m.key: m.value for m in model.metrics} == at_step
        assert {m.step for m in model.metrics} == {step}
    assert all_histories(store, record) == curves
    points = store.client.get_metric_history(record.run_id, "train/loss")
    assert len(points) == 6  # no point was doubled
    outputs = store.client.get_run(record.run_id).outputs.model_outputs
    assert {output.model_id for output in outputs} == {m.model_id for m in found.values()}


def test_a_logged_model_says_where_its_checkpoint_is_and_copies_no_weights(project):
    run({"a": {}})
    store = open_store()
    (model,) = logged(store).values()
    assert model.name == "a best and final"
    folder = Path(urlsplit(model.artifact_location).path)
    (file,) = folder.iterdir()
    where = json.loads(file.read_text())
    (record,) = find_runs(store)
    assert where["run_id"] == record.run_id
    checkpoint = Path(urlsplit(record.artifact_uri).path) / where["artifact_path"]
    assert (checkpoint / "model.safetensors").is_file()


def test_a_second_call_logs_nothing_and_a_forced_one_takes_the_place(project):
    run({"a": {}})
    store = open_store()
    (first,) = logged(store).values()
    run({"a": {}})
    (again,) = logged(store).values()
    assert again.to_dictionary() == first.to_dictionary()
    run({"a": {}}, force=True)
    (second,) = logged(store).values()
    current = [record for record in find_runs(store) if record.superseded_by is None]
    assert [second.source_run_id] == [record.run_id for record in current]


def test_of_each_experiment_and_each_search_the_best_run_is_logged(project, no_plots):
    grid = {"matrix": {"optimizer.lr": [0.001, 0.1, 0.2]}}
    file = write_sweep(Path("sweep.yaml"), {"a": grid, "b": {}})
    content = {**json.loads(file.read_text()), "searches": {"s": search()}}
    file.write_text(json.dumps(content))
    result = run_sweep(load_sweep(file))
    best = min(
        (r for r in result.runs if r.planned.declared.experiment == "a"),
        key=lambda r: r.final_loss,
    )
    (searched,) = result.searches
    by_run = {model.source_run_id for model in logged(open_store()).values()}
    (b,) = (r.run_id for r in result.runs if r.planned.name == "b")
    assert by_run == {best.run_id, b, searched.best.run_id}


def with_search(file: str, experiments: dict[str, Any], entry: dict[str, Any]) -> Path:
    path = write_sweep(Path(file), experiments, name=Path(file).stem)
    path.write_text(json.dumps({**json.loads(path.read_text()), "searches": {"s": entry}}))
    return path


def test_a_study_may_outlive_the_store_that_its_trials_were_recorded_in(project, another_store):
    """What the call ends with, its claims and its view, is written all the same."""
    entry = search(n_trials=2, storage="sqlite:///optuna.db")
    path = with_search("sweep.yaml", {"a": {}}, entry)
    run_sweep(load_sweep(path))
    other = another_store(project / "other" / "mlflow.db")
    result = run_sweep(load_sweep(path), tracking_uri=other)
    assert set(logged(open_store(other))) == {"a best and final"}
    (searched,) = result.searches
    assert searched.best.run_id not in {run.run_id for run in find_runs(open_store(other))}


def test_a_best_trial_that_another_sweep_trained_is_left_to_that_sweep(project):
    space = {"optimizer.lr": {"choices": [0.1]}}
    entry = search(space=space, n_trials=1, sampler={"name": "grid"}, train={"steps": 6})
    run_sweep(load_sweep(write_sweep(Path("one.yaml"), {"b": {"optimizer": {"lr": 0.1}}})))
    store = open_store()
    before = logged(store)
    run_sweep(load_sweep(with_search("two.yaml", {"a": {}}, entry)))
    assert logged(store).keys() == before.keys()
    (experiment,) = store.client.search_experiments(filter_string="name = 'two'")
    found = store.client.search_logged_models([experiment.experiment_id])
    assert {model.name for model in found} == {"a best and final"}


def test_of_many_experiments_the_best_few_are_logged(project, monkeypatch):
    monkeypatch.setattr(models, "MAX_RUNS", 2)
    result = run({f"e{n}": {"optimizer": {"lr": lr}} for n, lr in enumerate((0.001, 0.1, 0.01))})
    ordered = sorted(result.runs, key=lambda r: r.final_loss)
    by_run = {model.source_run_id for model in logged(open_store()).values()}
    assert by_run == {r.run_id for r in ordered[:2]}


def test_a_run_that_is_no_longer_the_best_keeps_its_models(project):
    run({"a": {"optimizer": {"lr": 0.001}}})
    run({"a": {"matrix": {"optimizer.lr": [0.001, 0.1]}}})
    assert set(logged(open_store())) == {"a best and final", "a_lr=0_1 best and final"}


def test_a_logged_model_that_was_cut_off_is_made_again(project, monkeypatch):
    def kill(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.tracking.models._write_pointer", kill)
    with pytest.raises(KeyboardInterrupt):
        run({"a": {}})
    monkeypatch.undo()
    monkeypatch.chdir(project)
    (cut_off,) = logged(open_store()).values()
    assert cut_off.status == "PENDING"
    run({"a": {}})
    (made,) = logged(open_store()).values()
    assert (made.status, made.name) == ("READY", cut_off.name)
    assert made.model_id != cut_off.model_id


def test_a_run_that_was_deleted_takes_its_models_along(project):
    run({"a": {}, "b": {"optimizer": {"lr": 0.1}}})
    store = open_store()
    (gone,) = (record for record in find_runs(store) if record.name == "a")
    store.client.delete_run(gone.run_id)
    log_models(store, "1", [])
    assert set(logged(store)) == {"b best and final"}
    collect_garbage()
    log_models(store, "1", [])
    assert set(logged(store)) == {"b best and final"}


def test_gc_leaves_what_logged_models_point_to(project):
    run({"a": SAVING})
    store = open_store()
    before = logged(store)
    collect_garbage()
    (record,) = find_runs(store)
    artifacts = Path(urlsplit(record.artifact_uri).path)
    for model in before.values():
        (file,) = Path(urlsplit(model.artifact_location).path).iterdir()
        assert (artifacts / json.loads(file.read_text())["artifact_path"]).is_dir()


def record(name: str, metrics: dict[str, float], state: str = "finished") -> StoredRun:
    tags = {"mlflow.runName": name, "harness.state": state}
    return stored_run(RunRow(name, name, "FINISHED", 0, None, "", "1", tags, {}, metrics))


def test_validation_loss_decides_where_all_have_it():
    one = record("one", {"train/loss": 1.0, "val/loss": 3.0})
    two = record("two", {"train/loss": 2.0, "val/loss": 2.0})
    three = record("three", {"train/loss": 0.5})
    assert [run.name for run in models.best_runs([[one, two]])] == ["two"]
    assert [run.name for run in models.best_runs([[one, two, three]])] == ["three"]
    assert models.best_runs([[], [record("failed", {}, "failed")]]) == []
