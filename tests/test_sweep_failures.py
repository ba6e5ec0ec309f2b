"""Runs that fail and runs that diverge: the others go on, and the next call tries again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sweep_files import write_sweep

from harness.observer import Observer
from harness.results import SweepResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import StoredRun, checkpoints, find_runs, history
from harness.tracking.store import open_store

NO_DEVICE = {"train": {"device": "cuda:99"}}
BAD_THEN_GOOD = {"bad": NO_DEVICE, "good": {}}
DIVERGING = {
    "train": {"steps": 50},
    "optimizer": {"name": "sgd", "lr": 1e6, "weight_decay": 100.0},
    "expect": [{"metric": "train/loss", "below": 1}],
}


def run(experiments, observer=None, **flags) -> SweepResult:
    sweep = load_sweep(write_sweep(Path("sweep.yaml"), experiments))
    return run_sweep(sweep, observer=observer, **flags)


def record(name: str) -> StoredRun:
    (found,) = [record for record in find_runs(open_store()) if record.name == name]
    return found


def test_a_run_that_fails_is_recorded_with_its_traceback_and_the_others_go_on(project, tmp_path):
    result = run(BAD_THEN_GOOD)
    assert [(r.planned.name, r.status) for r in result.runs] == [
        ("bad", "failed"),
        ("good", "finished"),
    ]
    assert result.exit_code == 1
    reason = result.runs[0].message
    assert reason.startswith("train.device: cuda:99 is not on this machine")
    failed = record("bad")
    assert (failed.state, failed.status) == ("failed", "FAILED")
    assert failed.tags["harness.error"].endswith(reason)
    store = open_store()
    text = Path(store.client.download_artifacts(failed.run_id, "traceback.txt", str(tmp_path)))
    assert text.read_text().startswith("Traceback (most recent call last)")
    assert reason in text.read_text()
    assert "in run_job" in text.read_text()
    assert checkpoints(store, failed.run_id) == []


def test_the_next_call_tries_a_failed_run_again_and_forgets_the_error(project):
    class Gone(Observer):
        """Takes the encoded corpus away after the plan, before the training."""

        def on_plan(self, runs):
            shutil.rmtree(project / "mlruns" / ".cache" / "corpora")

    (project / "text.txt").write_text("a b c d " * 50)
    entry = {"a": {"data": {"file": "text.txt"}}}
    first = run(entry, observer=Gone()).runs[0]
    assert first.status == "failed"
    assert "harness.error" in record("a").tags
    second = run(entry).runs[0]
    assert (second.status, second.planned.reason) == ("finished", "failed")
    assert second.run_id == first.run_id
    assert "harness.error" not in record("a").tags
    assert record("a").status == "FINISHED"
    assert list(history(open_store(), str(second.run_id))) == [1, 2, 3, 4, 5, 6]


def test_a_run_that_fails_again_in_the_same_way_is_told_as_such(project):
    entry = {"a": NO_DEVICE}
    first, second = run(entry).runs[0], run(entry).runs[0]
    assert "as in the call before" not in first.message
    assert second.message == (
        f"{first.message} (as in the call before: it fails by its settings or its data, not by "
        "chance)"
    )
    changed = run({"a": {"train": {"device": "cuda:97"}}}).runs[0]
    assert "as in the call before" not in changed.message


def test_fail_fast_starts_nothing_after_the_first_failure(project):
    result = run(BAD_THEN_GOOD, fail_fast=True)
    assert [(r.planned.name, r.status) for r in result.runs] == [
        ("bad", "failed"),
        ("good", "planned"),
    ]
    assert result.runs[1].run_id is None
    assert result.exit_code == 1
    assert len(find_runs(open_store())) == 1


def test_a_failure_that_this_call_did_not_come_to_still_says_why(project):
    run({"a": {"train": {"device": "cuda:98"}}, "b": NO_DEVICE})
    result = run({"a": {"train": {"device": "cuda:98"}}, "c": NO_DEVICE}, fail_fast=True)
    assert [r.status for r in result.runs] == ["failed", "failed"]
    assert all("is not on this machine" in r.message for r in result.runs)


def test_a_claim_on_a_run_that_failed_does_not_hold(project):
    claim = {"metric": "train/loss", "below": 1}
    result = run({"bad": {**NO_DEVICE, "expect": [claim]}})
    (found,) = result.runs[0].claims
    assert (found.holds, found.observed, found.detail) == (False, None, "a value is missing")
    assert record("bad").tags["harness.expect"] == "failed"
    assert result.exit_code == 1


def test_a_run_that_diverges_is_a_result_and_is_done(project):
    result = run({"wild": {**DIVERGING, "expect": []}})
    (wild,) = result.runs
    assert (wild.status, wild.final_loss, result.exit_code) == ("diverged", None, 0)
    assert wild.message.startswith("loss became ")
    stored = record("wild")
    assert (stored.state, stored.status) == ("diverged", "FINISHED")
    steps = list(history(open_store(), stored.run_id))
    assert steps == list(range(1, int(stored.tags["harness.diverged_at"])))
    assert stored.tags["harness.diverged_loss"] in ("nan", "inf")
    assert f"{stored.tags['harness.diverged_loss']} at step {len(steps) + 1}" in wild.message
    again = run({"wild": {**DIVERGING, "expect": []}}).runs[0]
    assert (again.status, again.planned.reason) == ("diverged", "finished")


def test_a_claim_on_a_run_that_diverged_does_not_hold(project):
    result = run({"wild": DIVERGING})
    assert result.runs[0].claims[0].holds is False
    assert result.exit_code == 3
    assert result.to_json()["runs"][0]["final_loss"] is None


def test_a_record_that_cannot_be_written_ends_the_sweep_not_the_run(project):
    class Full(Observer):
        def on_losses(self, run, losses):
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        run({"a": {}, "b": {"optimizer": {"lr": 0.1}}}, observer=Full())
    stored = record("a")
    assert (stored.state, stored.status) == ("killed", "KILLED")
    assert run({"a": {}}).runs[0].planned.reason == "unfinished"
