import json
import math
import os
import shutil
import time
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.tracking import artifacts, keys
from harness.tracking import recorder as recorder_module
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.read import checkpoints, find_runs, get_run, history, local_checkpoint
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.writers import ClientWriter, clip

LOSSES = [(step, 5.0 / step) for step in range(1, 201)]


def test_a_run_leaves_its_curve_params_tags_and_status(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record(description="Section 14.5", tags={"team": "a"}))
    recorder.add_steps(run_id, LOSSES)
    recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.0}, 200))
    run = get_run(store, run_id)
    assert history(store, run_id) == dict(LOSSES)
    assert history(store, run_id, keys.TRAIN_PERPLEXITY) == {200: 1.0}
    assert run.params == {"optimizer.lr": "0.01", "train.steps": "200"}
    assert run.metrics == {keys.TRAIN_LOSS: 0.025, keys.TRAIN_PERPLEXITY: 1.0}
    assert (run.name, run.sweep, run.experiment) == ("adamw", "sweep", "adamw")
    assert (run.kind, run.fingerprint, run.group, run.engine) == (
        "run",
        "v1-adamw",
        "g1-x",
        "plain",
    )
    assert (run.state, run.status, run.is_done) == ("finished", "FINISHED", True)
    assert run.end_time >= run.start_time
    assert run.aliases == ()
    expected = {
        "harness.record_version": "1",
        "harness.aliases": "[]",
        "harness.host": "here",
        "mlflow.user": "someone",
        "mlflow.note.content": "Section 14.5",
        "team": "a",
    }
    assert expected.items() <= run.tags.items()


def test_through_the_client_a_short_run_costs_four_calls(store, monkeypatch, run_to_record):
    experiment_id = ensure_mlflow_experiment(store, "sweep")
    recorder = Recorder(store, experiment_id, {}, ClientWriter(store, experiment_id))
    calls = []
    for name in ("create_run", "log_batch", "log_inputs", "set_terminated", "set_tag", "get_run"):
        whole = getattr(type(store.client), name)

        def counted(*args, _whole=whole, _name=name, **kwargs):
            calls.append(_name)
            return _whole(*args, **kwargs)

        monkeypatch.setattr(type(store.client), name, counted)
    run_id = recorder.begin(run_to_record(dataset=DatasetInput("text", "ab" * 32, "inline")))
    for step, loss in LOSSES:
        recorder.add_steps(run_id, [(step, loss)])
    recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.0}, 200))
    assert calls == ["create_run", "log_inputs", "log_batch", "set_terminated"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("finished", "FINISHED"),
        ("diverged", "FINISHED"),
        ("pruned", "FINISHED"),
        ("failed", "FAILED"),
        ("killed", "KILLED"),
    ],
)
def test_every_state_ends_with_its_status(store, recorder, state, status, run_to_record):
    run_id = recorder.begin(run_to_record())
    assert get_run(store, run_id).state == "running"
    recorder.end(run_id, Outcome(state))
    run = get_run(store, run_id)
    assert (run.state, run.status) == (state, status)
    assert run.is_done == (state in ("finished", "diverged"))


def test_a_failed_run_keeps_its_traceback_and_the_last_line_of_it(store, recorder, run_to_record):
    text = "Traceback (most recent call last):\n  File ...\nValueError: no such thing\n"
    run_id = recorder.begin(run_to_record())
    recorder.end(run_id, Outcome("failed", traceback_text=text))
    run = get_run(store, run_id)
    assert run.tags["harness.error"] == "ValueError: no such thing"
    folder = artifacts.artifacts_dir(store, run.artifact_uri)
    assert (folder / "traceback.txt").read_text() == text


def test_values_that_are_not_finite_are_not_recorded(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    recorder.add_steps(run_id, [(1, 5.0), (2, math.nan), (3, math.inf)])
    outcome = Outcome("diverged", {keys.TRAIN_PERPLEXITY: math.inf}, 3, {keys.DIVERGED_AT: "2"})
    recorder.end(run_id, outcome)
    run = get_run(store, run_id)
    assert history(store, run_id) == {1: 5.0}
    assert run.metrics == {keys.TRAIN_LOSS: 5.0}
    assert run.tags[keys.DIVERGED_AT] == "2"


def test_losses_are_written_when_a_thousand_wait(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    recorder.add_steps(run_id, [(step, 1.0) for step in range(1, 1000)])
    assert history(store, run_id) == {}
    recorder.add_steps(run_id, [(1000, 1.0)])
    assert len(history(store, run_id)) == 1000
    assert get_run(store, run_id).params["optimizer.lr"] == "0.01"


def test_losses_are_written_when_they_have_waited_long_enough(
    store, recorder, monkeypatch, run_to_record
):
    monkeypatch.setattr(recorder_module, "FLUSH_INTERVAL_S", 0.05)
    run_id = recorder.begin(run_to_record())
    time.sleep(0.06)
    recorder.add_steps(run_id, [(1, 2.0)])
    assert history(store, run_id) == {}  # it has not waited
    time.sleep(0.06)
    recorder.add_steps(run_id, [(2, 1.0)])
    assert history(store, run_id) == {1: 2.0, 2: 1.0}


def test_many_points_and_params_are_split_at_mlflows_limits(store, recorder, run_to_record):
    params = {f"p.{number}": str(number) for number in range(250)}
    run_id = recorder.begin(run_to_record(params=params))
    recorder.add_steps(run_id, [(step, 1.0) for step in range(1, 2502)])
    recorder.end(run_id, Outcome("finished", tags={f"t{n}": "x" for n in range(90)}))
    run = get_run(store, run_id)
    assert run.params == params
    assert len(history(store, run_id)) == 2501
    assert run.tags["t89"] == "x"


def test_a_resumed_run_logs_its_steps_again_and_nothing_is_doubled(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    recorder.add_steps(run_id, LOSSES[:120])
    recorder.end(run_id, Outcome("killed"))
    assert recorder.resume(run_id, run_to_record()) == run_id
    recorder.add_steps(run_id, LOSSES[100:])
    recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.0}, 200))
    points = store.client.get_metric_history(run_id, keys.TRAIN_LOSS)
    assert [(point.step, point.value) for point in points] == LOSSES


def test_resuming_takes_the_end_back(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    recorder.end(run_id, Outcome("failed", traceback_text="ValueError: x"))
    recorder.resume(run_id)
    run = get_run(store, run_id)
    assert (run.state, run.status) == ("running", "RUNNING")
    assert "harness.error" not in run.tags


def test_a_run_killed_before_its_first_losses_gets_its_params_when_resumed(
    store, recorder, run_to_record
):
    run_id = recorder.begin(run_to_record())
    recorder._open.clear()  # what a kill does
    changed = run_to_record(params={"optimizer.lr": "0.01", "train.log_every": "7"})
    recorder.resume(run_id, changed)
    recorder.end(run_id, Outcome("finished"))
    assert get_run(store, run_id).params == changed.params


def test_resuming_leaves_params_that_are_there_alone(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    recorder.end(run_id, Outcome("killed"))
    recorder.resume(run_id, run_to_record(params={"optimizer.lr": "0.01", "train.steps": "300"}))
    recorder.end(run_id, Outcome("finished"))
    assert get_run(store, run_id).params["train.steps"] == "200"


def test_resuming_an_unknown_run_is_told(recorder):
    with pytest.raises(StoreError, match=f"cannot read the run '{'0' * 32}': "):
        recorder.resume("0" * 32)


def test_the_corpus_is_a_dataset_input_with_its_digest(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record(dataset=DatasetInput("love", "ab" * 32, "inline text")))
    recorder.end(run_id, Outcome("finished"))
    (found,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("love", "ab" * 18)
    assert json.loads(found.dataset.source) == {"uri": "inline text"}


def test_a_group_is_a_parent_with_a_curve_and_without_a_fingerprint(store, recorder, run_to_record):
    group = run_to_record("adamw", kind="group", fingerprint=None, engine=None)
    parent = recorder.begin(group)
    child = recorder.begin(run_to_record("adamw/seed=0", parent_run_id=parent))
    recorder.end(child, Outcome("finished"))
    recorder.add_steps(parent, [(1, 1.0), (2, 0.5)])
    recorder.end(parent, Outcome("finished"))
    assert history(store, parent) == {1: 1.0, 2: 0.5}
    assert get_run(store, parent).fingerprint is None
    assert get_run(store, parent).kind == "group"
    assert get_run(store, child).tags["mlflow.parentRunId"] == parent


def test_long_values_are_cut_visibly(store, recorder, run_to_record):
    params = {"data.text": "x" * 7000}
    run_id = recorder.begin(run_to_record(params=params, description="y" * 9000))
    recorder.end(run_id, Outcome("finished"))
    run = get_run(store, run_id)
    assert len(run.params["data.text"]) == 6000
    assert run.params["data.text"].endswith("x...(cut)")
    assert len(run.tags["mlflow.note.content"]) == 8000
    assert run.tags["mlflow.note.content"].endswith("y...(cut)")
    assert clip("short", 6000) == "short"


def test_aliases_are_listed_once_each(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    for name in ("four-line", "baseline", "four-line"):
        recorder.add_alias(run_id, "other", name)
    run = get_run(store, run_id)
    assert [(alias.sweep, alias.run) for alias in run.aliases] == [
        ("other", "four-line"),
        ("other", "baseline"),
    ]
    assert run.names == ("adamw", "four-line", "baseline")


def test_more_aliases_than_a_tag_can_hold_are_told(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    recorder.add_alias(run_id, "s", "a" * 7000)
    with pytest.raises(StoreError, match="1 other names share its settings, and MLflow has no"):
        recorder.add_alias(run_id, "s", "b" * 1000)


def test_a_forced_run_supersedes_the_old_one(store, recorder, run_to_record):
    old, new = recorder.begin(run_to_record()), recorder.begin(run_to_record())
    recorder.supersede(old, new)
    assert get_run(store, old).superseded_by == new


def test_a_checkpoint_is_published_by_a_rename(store, recorder, stage, run_to_record):
    run_id = recorder.begin(run_to_record())
    staged = stage()
    recorder.publish_checkpoint(run_id, staged, "step_000200")
    assert not staged.exists()
    assert checkpoints(store, run_id) == ["step_000200"]
    folder = local_checkpoint(store, run_id)
    assert folder.is_relative_to(store.state_dir / "artifacts" / "sweep" / run_id)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    listed = store.client.list_artifacts(run_id, "checkpoints")
    assert [file.path for file in listed] == ["checkpoints/step_000200"]


def test_a_checkpoint_published_again_replaces_the_old_one(store, recorder, stage, run_to_record):
    run_id = recorder.begin(run_to_record())
    for content in (b"one", b"two"):
        recorder.publish_checkpoint(run_id, stage(content), "step_000200")
    assert (local_checkpoint(store, run_id) / "model.safetensors").read_bytes() == b"two"


def test_a_checkpoint_is_published_over_file_systems(store, recorder, stage, run_to_record):
    run_id = recorder.begin(run_to_record())
    staged = stage()
    other = Path("/dev/shm") / f"harness-test-{os.getpid()}"
    shutil.move(staged, other)
    recorder.publish_checkpoint(run_id, other, "step_000200")
    assert not other.exists()
    folder = local_checkpoint(store, run_id)
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "state.json"}
    assert [path.name for path in folder.parents[2].iterdir()] == ["artifacts"]


def test_a_checkpoint_can_be_removed(store, recorder, stage, run_to_record):
    run_id = recorder.begin(run_to_record())
    for step in (100, 200):
        recorder.publish_checkpoint(run_id, stage(), f"step_{step:06d}")
    assert recorder.remove_checkpoint(run_id, "step_000100")
    assert checkpoints(store, run_id) == ["step_000200"]
    assert recorder.remove_checkpoint(run_id, "step_000100")


def test_a_staged_folder_that_is_missing_is_told(recorder, tmp_path, run_to_record):
    run_id = recorder.begin(run_to_record())
    with pytest.raises(StoreError, match="absent: cannot be published as step_000001: "):
        recorder.publish_checkpoint(run_id, tmp_path / "absent", "step_000001")


def test_a_store_that_fails_while_writing_is_told_in_one_sentence(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    store.client.delete_run(run_id)
    with pytest.raises(StoreError, match=r"cannot write the run .*must be in the 'active' state"):
        recorder.flush(run_id)


def test_a_run_is_recorded_in_the_experiment_that_was_named_whatever_is_set(
    store, recorder, monkeypatch, run_to_record
):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    run_id = recorder.begin(run_to_record())
    recorder.end(run_id, Outcome("finished"))
    assert [run.run_id for run in find_runs(store)] == [run_id]
