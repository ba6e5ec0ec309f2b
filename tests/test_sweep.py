"""What a sweep leaves in the store: sharing, forcing, claims, engines and executors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sweep_files import write_sweep

from harness.errors import StoreInUse
from harness.interrupts import Interrupted
from harness.observer import Observer
from harness.results import SweepResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking import read
from harness.tracking.lock import hold
from harness.tracking.read import StoredRun, checkpoints, find_runs, history
from harness.tracking.store import open_store

LEARNT = {"metric": "train/loss", "below": 100}
NEVER = {"metric": "train/loss", "below": 0}


def run(experiments: dict[str, Any], name: str = "sweep", **flags: Any) -> SweepResult:
    return run_sweep(load_sweep(write_sweep(Path(f"{name}.yaml"), experiments, name=name)), **flags)


def records() -> dict[str, StoredRun]:
    """By run id."""
    return {record.run_id: record for record in find_runs(open_store(create=False))}


def curves(result: SweepResult) -> dict[str, dict[int, float]]:
    store = open_store(create=False)
    return {r.planned.name: history(store, str(r.run_id)) for r in result.runs}


class Stop(Observer):
    def on_start(self, run):
        raise Interrupted(2)


def test_two_sweeps_of_one_store_share_equal_runs(project):
    (ours,) = run({"mine": {"expect": [LEARNT]}}, "first").runs
    (theirs,) = run({"yours": {"optimizer": {"lr": 1e-2}}}, "second").runs
    assert theirs.run_id == ours.run_id
    assert theirs.planned.reason == "finished"
    (record,) = records().values()
    assert (record.sweep, record.name) == ("first", "mine")
    assert record.tags["harness.aliases"] == '[{"sweep": "second", "run": "yours"}]'
    run({"yours": {}}, "second")
    (record,) = records().values()
    assert len(record.aliases) == 1


def test_a_name_that_claims_nothing_leaves_the_verdict_on_a_shared_run_as_it_is(project):
    run({"mine": {"expect": [LEARNT]}}, "first")
    run({"yours": {}}, "second")
    assert next(iter(records().values())).tags["harness.expect"] == "passed"
    run({"mine": {"expect": [LEARNT]}, "again": {}}, "first", only=["again"])
    assert next(iter(records().values())).tags["harness.expect"] == "passed"


def test_a_forced_run_takes_the_place_of_the_old_one_when_it_is_finished(project):
    (old,) = run({"a": {}}).runs
    with pytest.raises(Interrupted):
        run({"a": {}}, force=True, observer=Stop())
    assert records()[str(old.run_id)].superseded_by is None
    assert run({"a": {}}).runs[0].run_id == old.run_id
    (new,) = run({"a": {}}, force=True).runs
    assert new.run_id != old.run_id
    assert new.planned.reason == "forced"
    assert records()[str(old.run_id)].superseded_by == new.run_id
    assert history(open_store(), str(old.run_id)) == history(open_store(), str(new.run_id))
    assert run({"a": {}}).runs[0].run_id == new.run_id


@pytest.mark.parametrize(
    ("claims", "verdict", "exit_code"),
    [([LEARNT], "passed", 0), ([LEARNT, NEVER], "failed", 3), ([], "none", 0)],
)
def test_the_verdict_of_the_claims_is_a_tag_and_an_exit_code(project, claims, verdict, exit_code):
    result = run({"a": {"expect": claims}})
    assert next(iter(records().values())).tags["harness.expect"] == verdict
    assert result.exit_code == exit_code


def test_claims_are_checked_for_runs_that_are_not_trained_again(project):
    assert run({"a": {}}).exit_code == 0
    result = run({"a": {"expect": [NEVER]}})
    (claim,) = result.runs[0].claims
    assert result.runs[0].planned.reason == "finished"
    assert (claim.holds, claim.observed) == (False, result.runs[0].final_loss)
    assert next(iter(records().values())).tags["harness.expect"] == "failed"
    run({"a": {}})
    assert next(iter(records().values())).tags["harness.expect"] == "none"


def test_the_claims_on_an_experiment_are_checked_from_one_reading_a_metric(project, monkeypatch):
    asked = []

    def histories(store, run_ids, metric):
        asked.append((len(run_ids), metric))
        return read.histories(store, run_ids, metric)

    monkeypatch.setattr("harness.call.histories", histories)
    rates = {"optimizer.lr": [0.1, 0.2, 0.3]}
    result = run({"a": {"matrix": rates, "expect": [LEARNT, {**LEARNT, "at": 1}, NEVER]}, "b": {}})
    assert asked == [(3, "train/loss")]
    assert [claim.holds for claim in result.runs[0].claims] == [True, True, False]


def test_a_claim_sees_a_run_that_was_not_selected_when_the_store_has_it(project):
    pair = {
        "a": {"optimizer": {"lr": 0.5}},
        "b": {"expect": [{"metric": "train/loss", "at": 1, "equals": {"experiment": "a"}}]},
    }
    (alone,) = run(pair, only=["b"]).runs
    assert alone.claims[0].holds is None
    assert alone.claims[0].detail == "a was not run"
    run(pair, only=["a"])
    assert run(pair, only=["b"]).runs[0].claims[0].holds is True


def test_a_claim_sees_what_this_call_trains_under_another_name(project):
    shared = {
        "a": {},
        "same": {},
        "b": {
            "optimizer": {"lr": 0.5},
            "expect": [{"metric": "train/loss", "at": 1, "equals": {"experiment": "same"}}],
        },
    }
    assert run(shared, only=["a", "b"]).runs[1].claims[0].holds is True


def test_a_claim_that_set_made_unreachable_is_reported_without_a_verdict(project):
    claim = {"metric": "train/loss", "at": 6, "below": 100}
    path = write_sweep(project / "sweep.yaml", {"a": {"expect": [claim]}})
    result = run_sweep(load_sweep(path, overrides=["train.steps=3"]))
    assert result.runs[0].claims[0].holds is None
    assert result.exit_code == 0
    assert result.to_json()["runs"][0]["expectations"][0]["holds"] is None


def test_a_bare_run_is_recorded_like_any_other_and_has_the_same_bits(project):
    claim = {"metric": "train/loss", "same_as": "plain"}
    result = run({"plain": {}, "bare": {"train": {"engine": "bare"}, "expect": [claim]}})
    assert result.runs[1].claims[0].holds is True
    assert curves(result)["bare"] == curves(result)["plain"]
    bare = records()[str(result.runs[1].run_id)]
    assert (bare.engine, bare.params["train.engine"]) == ("bare", "bare")
    assert checkpoints(open_store(), bare.run_id) == ["step_000006"]


def test_a_record_says_what_ran_and_on_what(project):
    result = run({"a": {"description": "Section 1", "tags": {"for": "Ada"}}})
    (record,) = records().values()
    assert record.params["optimizer.lr"] == "0.01"
    assert record.params["model.vocab_size"] == "3"
    assert record.params["train.batch_size"] == "2"
    assert record.tags["mlflow.note.content"] == "Section 1"
    assert record.tags["for"] == "Ada"
    assert record.tags["harness.device"] == "cpu"
    assert record.tags["harness.threads"] == "1"
    assert record.tags["harness.torch"]
    assert record.fingerprint == result.runs[0].planned.fingerprint
    assert set(record.metrics) == {"train/loss", "train/perplexity", "eval/next_token_accuracy"}
    assert result.runs[0].final_loss == record.metrics["train/loss"]


def test_checkpoints_are_thinned_as_they_come(project):
    entry = {"train": {"steps": 10}, "checkpoint": {"every": 2, "keep_last": 2}}
    run({"a": entry})
    (record,) = records().values()
    assert checkpoints(open_store(), record.run_id) == ["step_000008", "step_000010"]
    assert not list((project / "mlruns" / ".state").glob("*/"))


@pytest.mark.slow
def test_two_processes_train_the_same_bits_as_one(project, tmp_path, another_store):
    matrix = {"grid": {"matrix": {"optimizer.lr": [0.01, 0.1], "model.dropout": [0.0, 0.5]}}}
    bad = {"train": {"device": "cuda:99"}}  # on no machine: it fails, here and there
    entry = {"bad": bad, **matrix, "bare": {"train": {"engine": "bare"}}}
    uri = another_store(tmp_path / "other.db")
    one = run(entry)
    two = run(entry, tracking_uri=uri, jobs=2)
    assert len(one.runs) == 6
    other = open_store(uri)
    assert one.runs[0].status == two.runs[0].status == "failed"
    assert one.runs[0].message == two.runs[0].message
    for ours, theirs in zip(one.runs[1:], two.runs[1:], strict=True):
        assert ours.planned.name == theirs.planned.name
        assert ours.status == theirs.status == "finished"
        ours_curve = history(open_store(), str(ours.run_id))
        assert ours_curve == history(other, str(theirs.run_id))
        assert len(ours_curve) == 6
        assert len(checkpoints(other, str(theirs.run_id))) == 1


def test_a_sweep_refuses_a_store_that_another_holds(project):
    store = open_store()
    with hold(store.state_dir, store.uri), pytest.raises(StoreInUse, match="is in use"):
        run({"a": {}})
    assert run({"a": {}}).exit_code == 0


def test_searches_are_run_with_the_experiments_or_alone(project, no_plots):
    search = {
        "metric": "train/loss",
        "direction": "minimize",
        "space": {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}},
        "sampler": {"name": "tpe"},
        "n_trials": 3,
        "extends": "a",
    }
    path = write_sweep(project / "sweep.yaml", {"a": {}})
    path.write_text(json.dumps({**json.loads(path.read_text()), "searches": {"lr": search}}))
    both = run_sweep(load_sweep(path))
    assert [run.planned.name for run in both.runs] == ["a"]
    assert [(s.name, len(s.trials), s.num_new) for s in both.searches] == [("lr", 3, 3)]
    alone = run_sweep(load_sweep(path), only=["lr"])
    assert (alone.runs, alone.exit_code) == ((), 0)
    assert [(s.name, len(s.trials), s.num_new) for s in alone.searches] == [("lr", 3, 0)]
    assert alone.searches[0].trials == both.searches[0].trials
