"""Groups of seeds: a parent with mean and interval as curves, and the runs under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import scipy.stats
from sweep_files import write_sweep

from harness.comparison.compare import compare
from harness.groups import bands
from harness.results import SweepResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import StoredRun, all_histories, find_runs, history
from harness.tracking.store import open_store


def run(entry: dict[str, Any], **flags: Any) -> SweepResult:
    return run_sweep(load_sweep(write_sweep(Path("sweep.yaml"), {"a": entry})), **flags)


def records(kind: str) -> list[StoredRun]:
    return [record for record in find_runs(open_store(create=False)) if record.kind == kind]


def test_a_group_of_seeds_has_a_parent_with_the_mean_of_its_runs(project):
    result = run({"description": "Section 9", "seeds": 3})
    (parent,) = records("group")
    children = records("run")
    assert [child.name for child in children] == ["a/seed=0", "a/seed=1", "a/seed=2"]
    assert {child.tags["mlflow.parentRunId"] for child in children} == {parent.run_id}
    assert (parent.name, parent.experiment, parent.sweep) == ("a", "a", "sweep")
    assert (parent.state, parent.status) == ("finished", "FINISHED")
    assert parent.fingerprint is None
    assert {child.group for child in children} == {parent.group}
    assert "optimizer.lr" in parent.params
    assert "seed.model" not in parent.params
    curves = [history(open_store(), child.run_id) for child in children]
    means = history(open_store(), parent.run_id)
    assert list(means) == [1, 2, 3, 4, 5, 6]
    for step, mean in means.items():
        assert mean == pytest.approx(sum(curve[step] for curve in curves) / 3, rel=1e-15)
    assert parent.run_id not in {r.run_id for r in result.runs}  # parents are not runs


def test_a_second_call_leaves_the_group_as_it_is(project):
    run({"seeds": 2})
    before = [(r.run_id, r.tags) for r in find_runs(open_store())]
    run({"seeds": 2})
    assert [(r.run_id, r.tags) for r in find_runs(open_store())] == before


def test_another_seed_makes_a_new_parent_and_supersedes_the_old(project):
    run({"seeds": 2})
    (old,) = records("group")
    result = run({"seeds": 3})
    assert [r.planned.reason for r in result.runs] == ["finished", "finished", "new"]
    first, second = records("group")
    assert (first.run_id, first.superseded_by) == (old.run_id, second.run_id)
    assert second.superseded_by is None
    assert {r.tags["mlflow.parentRunId"] for r in records("run")} == {second.run_id}


def test_each_point_of_a_matrix_is_a_group_of_its_own(project):
    run({"seeds": 2, "matrix": {"optimizer.lr": [0.1, 0.2]}})
    parents = {record.run_id: record.name for record in records("group")}
    assert sorted(parents.values()) == ["a/lr=0.1", "a/lr=0.2"]
    for child in records("run"):
        assert child.name.startswith(parents[child.tags["mlflow.parentRunId"]] + ",seed=")


def test_a_group_is_made_when_its_last_seed_is_there(project):
    run({"seeds": 2}, only=["a/seed=0"])
    assert records("group") == []
    run({"seeds": 2}, only=["a/seed=1"])
    assert len(records("group")) == 1


def test_a_group_in_which_a_run_failed_has_no_parent(project):
    run({"seeds": 2, "train": {"device": "cuda:99"}})
    assert records("group") == []


def test_a_single_seed_is_no_group(project):
    run({"seeds": 1})
    assert records("group") == []
    assert "mlflow.parentRunId" not in records("run")[0].tags


def test_a_run_stays_under_the_group_of_the_name_that_trained_it(project):
    run({"seeds": 2})
    (parent,) = records("group")
    other = write_sweep(Path("other.yaml"), {"b": {"seeds": 2}}, name="other")
    run_sweep(load_sweep(other))
    assert {r.tags["mlflow.parentRunId"] for r in records("run")} == {parent.run_id}
    assert [record.sweep for record in records("group")] == ["sweep", "other"]


def test_a_forced_group_has_a_new_parent_over_the_new_runs(project):
    run({"seeds": 2})
    run({"seeds": 2}, force=True)
    old, new = records("group")
    assert old.superseded_by == new.run_id
    current = [record for record in records("run") if record.superseded_by is None]
    assert {r.tags["mlflow.parentRunId"] for r in current} == {new.run_id}


def test_a_claim_over_the_mean_is_one_result_of_the_group(project):
    claim = {"metric": "train/loss", "below": 100, "over": "mean"}
    result = run({"seeds": 3, "expect": [claim]})
    first, *others = [r.claims[0] for r in result.runs]
    assert all(other is first for other in others)
    assert first.holds is True
    assert first.group == "a"
    finals = [run.final_loss for run in result.runs]
    assert first.observed == pytest.approx(sum(finals) / 3, rel=1e-15)
    assert first.detail.startswith("n = 3, 95 % interval ")


def test_a_parent_has_the_interval_around_the_mean_as_curves(project):
    run({"seeds": 3})
    (parent,) = records("group")
    curves = all_histories(open_store(), parent)
    assert set(curves) == {"train/loss", "train/loss.low", "train/loss.high"}
    members = [history(open_store(), child.run_id) for child in records("run")]
    for step in range(1, 7):
        values = [member[step] for member in members]
        mean, error = sum(values) / 3, scipy.stats.sem(values)
        low, high = scipy.stats.t.interval(0.95, 2, loc=mean, scale=error)
        assert curves["train/loss.low"][step] == pytest.approx(low, rel=1e-9, abs=1e-12)
        assert curves["train/loss.high"][step] == pytest.approx(high, rel=1e-9, abs=1e-12)


def test_a_parent_says_in_words_what_it_is_and_came_to(project):
    run({"description": "Section *9*", "seeds": 3})
    (parent,) = records("group")
    (row,) = compare(Path("sweep.yaml")).to_dict("records")
    mean, low, high = (f"{row[column]:.4f}" for column in ("final", "low", "high"))
    assert parent.tags["mlflow.note.content"] == (
        "Section *9*\n\n"
        "3 runs that differ in `seed.model` and `seed.data` alone. "
        f"`train/loss` at step 6: mean {mean}, 95 % interval {low} to {high}."
    )


def test_a_parent_of_another_form_is_replaced_by_the_next_call(project):
    run({"seeds": 2})
    (made,) = records("group")
    store = open_store()
    store.client.set_tag(made.run_id, "harness.members", "as an earlier version wrote it")
    run({"seeds": 2})
    old, new = records("group")
    assert (old.run_id, old.superseded_by) == (made.run_id, new.run_id)
    assert "train/loss.low" in new.metrics
    assert {r.tags["mlflow.parentRunId"] for r in records("run")} == {new.run_id}


def test_every_metric_that_all_members_have_at_several_steps_has_its_band():
    first = {"train/loss": {1: 1.0, 2: 2.0, 3: 9.0}, "val/loss": {2: 1.0, 3: 2.0}, "last": {3: 1.0}}
    second = {"train/loss": {1: 3.0, 2: 4.0}, "val/loss": {2: 3.0, 3: 2.0}, "last": {3: 2.0}}
    third = {"train/loss": {1: 2.0, 2: 3.0}, "val/loss": {2: 2.0, 3: 2.0}, "last": {3: 3.0}}
    found = bands([first, second, third])
    assert {name: band.mean for name, band in found.items()} == {
        "train/loss": {1: 2.0, 2: 3.0},
        "val/loss": {2: 2.0, 3: 2.0},
    }
    assert found["val/loss"].low[3] == found["val/loss"].high[3] == 2.0
    del third["val/loss"]
    assert set(bands([first, second, third])) == {"train/loss"}


def test_numbers_too_large_for_an_interval_leave_it_out():
    huge = {"train/loss": {1: 1e308, 2: 1.0}}
    other = {"train/loss": {1: -1e308, 2: 1.0}}
    (band,) = bands([huge, other]).values()
    assert (set(band.mean), set(band.low), set(band.high)) == ({1, 2}, {2}, {2})


def test_a_seed_that_another_name_trained_first_counts_in_its_group_everywhere(project):
    file = write_sweep(Path("sweep.yaml"), {"solo": {}, "many": {"seeds": 3}})
    run_sweep(load_sweep(file))
    by_file, whole = compare(file), compare()
    columns = ["name", "n", "final", "low", "high"]
    assert by_file[columns].equals(whole[columns])
    assert dict(zip(whole["name"], whole["n"], strict=True)) == {"solo": 1, "many": 3}


def test_a_glob_given_as_a_text_is_one_glob(project):
    file = write_sweep(Path("sweep.yaml"), {"a": {}, "b": {}})
    result = run_sweep(load_sweep(file), only="a")
    assert [run.planned.name for run in result.runs] == ["a"]
