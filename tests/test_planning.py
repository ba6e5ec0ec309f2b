"""Why a run is trained, or is not: a real store, and the plan of each next call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_files import write_sweep

from harness.errors import NothingMatched
from harness.interrupts import Interrupted
from harness.observer import Observer
from harness.results import SweepResult
from harness.spec.load import load_sweep
from harness.sweep import plan_sweep, run_sweep
from harness.tracking.read import StoredRun, find_runs
from harness.tracking.recorder import Recorder
from harness.tracking.store import open_store

CLAIM = {"metric": "train/loss", "below": 100}
CUDA = {"train": {"device": "cuda:99"}}  # which no machine has: the run fails


def write(experiments: dict[str, Any], **changes: Any) -> Path:
    return write_sweep(Path("sweep.yaml"), experiments, **changes)


def run(path: Path, **flags: Any) -> SweepResult:
    return run_sweep(load_sweep(path), **flags)


def reasons(path: Path, **flags: Any) -> dict[str, str]:
    return {run.name: run.reason for run in plan_sweep(load_sweep(path), **flags)}


def records(**wanted: str) -> list[StoredRun]:
    found = find_runs(open_store(create=False))
    return [r for r in found if all(getattr(r, key) == value for key, value in wanted.items())]


class StopAt(Observer):
    """Stops the sweep as a signal would, when a run has begun."""

    def on_start(self, run):
        raise Interrupted(2)


def test_before_there_is_a_store_everything_is_new_and_nothing_is_created(
    tmp_path, no_store_named, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = write({"a": {}, "b": {"optimizer": {"lr": 0.1}}})
    assert reasons(path) == {"a": "new", "b": "new"}
    assert reasons(path, tracking_uri="sqlite:///other/store.db") == {"a": "new", "b": "new"}
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.yaml"]


def test_a_store_named_by_the_environment_is_the_one_that_is_planned_with(
    project, tmp_path, monkeypatch
):
    run(write({"a": {}}))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlruns/mlflow.db")
    monkeypatch.chdir(tmp_path)
    assert reasons(project / "sweep.yaml") == {"a": "finished"}


def test_what_is_finished_is_not_trained_again(project):
    path = write({"a": {}, "b": {"optimizer": {"lr": 0.1}}})
    assert {r.planned.reason for r in run(path).runs} == {"new"}
    assert reasons(path) == {"a": "finished", "b": "finished"}
    again = run(path)
    assert {(r.planned.reason, r.status) for r in again.runs} == {("finished", "finished")}
    assert len(records()) == 2


def test_force_trains_again_what_is_finished(project):
    path = write({"a": {}})
    run(path)
    assert reasons(path, force=True) == {"a": "forced"}
    assert reasons(write({"b": {"optimizer": {"lr": 0.1}}}), force=True) == {"b": "new"}


def test_a_run_that_was_stopped_is_unfinished_and_goes_on_in_its_record(project):
    path = write({"a": {}})
    with pytest.raises(Interrupted):
        run(path, observer=StopAt())
    (killed,) = records(status="KILLED", state="killed")
    assert reasons(path) == {"a": "unfinished"}
    (result,) = run(path).runs
    assert (result.planned.reason, result.run_id) == ("unfinished", killed.run_id)
    assert reasons(path) == {"a": "finished"}


def test_a_run_that_failed_is_tried_again_in_its_record(project):
    path = write({"a": CUDA})
    (first,) = run(path).runs
    assert first.status == "failed"
    assert reasons(path) == {"a": "failed"}
    assert run(path).runs[0].run_id == first.run_id


def test_another_learning_rate_under_the_same_name_is_changed_and_trains(project):
    run(write({"a": {}}))
    path = write({"a": {"optimizer": {"lr": 0.02}}})
    assert reasons(path) == {"a": "changed"}
    run(path)
    assert len(records(state="finished")) == 2
    assert reasons(write({"a": {}})) == {"a": "finished"}  # the first is still known


def test_renaming_an_experiment_does_not_train_it_again(project):
    (old,) = run(write({"a": {}})).runs
    path = write({"b": {}})
    assert reasons(path) == {"b": "finished"}
    (new,) = run(path).runs
    assert new.run_id == old.run_id
    assert records()[0].names == ("a", "b")
    assert reasons(write({"b": {"optimizer": {"lr": 0.5}}})) == {"b": "changed"}


@pytest.mark.parametrize(
    "entry",
    [
        {"expect": [CLAIM]},
        {"description": "said better"},
        {"train": {"log_every": 1}},
        {"checkpoint": {"every": 2}},
        {"tags": {"for": "Ada"}},
    ],
    ids=lambda entry: next(iter(entry)),
)
def test_what_decides_no_number_does_not_train_again(project, entry):
    run(write({"a": {}}))
    assert reasons(write({"a": entry})) == {"a": "finished"}


def test_the_engine_that_auto_takes_may_be_named_without_training_again(project):
    run(write({"a": {"train": {"engine": "auto"}}}))
    assert records()[0].engine == "stacked"
    assert reasons(write({"a": {"train": {"engine": "stacked"}}})) == {"a": "finished"}
    assert reasons(write({"a": {"train": {"engine": "plain"}}})) == {"a": "changed"}


@pytest.mark.parametrize(
    "entry",
    [
        {"optimizer": {"lr": 0.011}},
        {"optimizer": {"weight_decay": 0.5}},
        {"train": {"steps": 7}},
        {"train": {"batch_size": 3}},
        {"train": {"engine": "bare"}},
        {"train": {"threads": 2}},
        {"model": {"dropout": 0.1}},
        {"data": {"repeat": 9}},
        {"data": {"tokenizer": "chars"}},
        {"seed": {"model": 1}},
        {"seed": {"data": 1}},
    ],
    ids=lambda entry: ",".join(f"{s}.{k}" for s, keys in entry.items() for k in keys),
)
def test_what_decides_numbers_trains_again(project, entry):
    store = open_store()
    plan = plan_sweep(load_sweep(write({"a": {}})))
    other = plan_sweep(load_sweep(write({"a": entry})))
    assert plan[0].fingerprint != other[0].fingerprint
    assert find_runs(store) == []


def test_equal_settings_under_two_names_are_one_training_of_the_first(project):
    path = write({"a": {}, "b": {"optimizer": {"lr": 0.01}}, "c": {"optimizer": {"lr": 0.5}}})
    planned = plan_sweep(load_sweep(path))
    assert [(run.name, run.owner, run.is_trained) for run in planned] == [
        ("a", "", True),
        ("b", "a", False),
        ("c", "", True),
    ]
    results = run(path).runs
    assert results[0].run_id == results[1].run_id != results[2].run_id
    assert len(records()) == 2
    assert records()[0].names == ("a", "b")
    assert reasons(path) == {"a": "finished", "b": "finished", "c": "finished"}


def test_an_unfinished_run_of_another_torch_is_begun_again_in_a_new_record(project):
    path = write({"a": {}})
    with pytest.raises(Interrupted):
        run(path, observer=StopAt())
    (old,) = records()
    Recorder(open_store(), "0", {}).set_tag(old.run_id, "harness.torch", "1.0.0")
    (result,) = run(path).runs
    assert result.run_id != old.run_id
    assert {r.run_id: (r.state, r.superseded_by) for r in records()} == {
        old.run_id: ("killed", result.run_id),
        result.run_id: ("finished", None),
    }
    assert reasons(path) == {"a": "finished"}


def test_a_finished_run_of_another_torch_stays_finished(project):
    path = write({"a": {}})
    run(path)
    Recorder(open_store(), "0", {}).set_tag(records()[0].run_id, "harness.torch", "1.0.0")
    assert reasons(path) == {"a": "finished"}


def test_only_selects_by_the_name_of_an_experiment_or_of_a_run(project):
    path = write({"a": {"matrix": {"optimizer.lr": [0.1, 0.2]}}, "ab": {}, "c": {"seeds": 2}})
    assert list(reasons(path, only=["a"])) == ["a/lr=0.1", "a/lr=0.2"]
    assert list(reasons(path, only=["a*"])) == ["a/lr=0.1", "a/lr=0.2", "ab"]
    assert list(reasons(path, only=["*lr=0.2", "c/seed=1"])) == ["a/lr=0.2", "c/seed=1"]
    with pytest.raises(
        NothingMatched, match=r"--only x y\* matches no run \(there are: a, ab, c\)"
    ):
        plan_sweep(load_sweep(path), only=["x", "y*"])
    with pytest.raises(NothingMatched, match="--only nobody matches no run"):
        run(path, only=["nobody"])
    assert find_runs(open_store()) == []


def test_a_superseded_record_is_not_what_shows_a_run(project):
    path = write({"a": {}})
    run(path)
    (forced,) = run(path, force=True).runs
    (planned,) = plan_sweep(load_sweep(path))
    assert planned.stored is not None
    assert planned.stored.run_id == forced.run_id
