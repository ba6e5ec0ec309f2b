import dataclasses

import pytest

from harness.errors import StoreError, UsageError
from harness.tracking import client_reader, keys
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.read import (
    checkpoints,
    find_runs,
    find_usable_runs,
    get_run,
    history,
    local_checkpoint,
)
from harness.tracking.reconcile import mark_dead_runs
from harness.tracking.record import Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.resolve import resolve_run


@pytest.fixture
def finished(run_to_record):
    """Records a run that has ended and returns its id."""

    def record(recorder: Recorder, name: str = "adamw", state: keys.EndState = "finished") -> str:
        run_id = recorder.begin(run_to_record(name))
        recorder.end(run_id, Outcome(state))
        return run_id

    return record


def test_all_runs_of_harness_are_found_oldest_first(store, recorder, finished):
    ids = [finished(recorder, f"r{number}") for number in range(5)]
    other = Recorder(store, ensure_mlflow_experiment(store, "other"), {})
    ids.append(finished(other))
    assert [run.run_id for run in find_runs(store)] == ids
    experiment = find_runs(store)[-1].mlflow_experiment_id
    assert [run.run_id for run in find_runs(store, [experiment])] == ids[-1:]


def test_runs_of_other_programs_and_deleted_runs_are_left_out(store, recorder, finished):
    theirs = store.client.create_run(ensure_mlflow_experiment(store, "sweep")).info.run_id
    deleted = finished(recorder)
    store.client.delete_run(deleted)
    assert find_runs(store) == []
    with pytest.raises(StoreError, match=f"run {theirs} was not recorded by harness"):
        get_run(store, theirs)


def test_a_store_without_experiments_has_no_runs(store):
    assert find_runs(store) == []
    assert find_runs(store, []) == []


def test_more_runs_than_a_page_are_found(store, recorder, monkeypatch, finished):
    monkeypatch.setattr("harness.tracking.client_reader.PAGE", 2)
    ids = [finished(recorder, f"r{number}") for number in range(5)]
    for name in "abc":
        ensure_mlflow_experiment(store, name)
    assert [row.run_id for row in client_reader.read_runs(store, None, None)] == ids


def test_history_is_ordered_by_step_whatever_the_time(store, recorder, finished):
    run_id = finished(recorder)
    for step in (3, 1, 2):
        store.client.log_metric(run_id, "m", float(step), timestamp=100 - step, step=step)
    assert list(history(store, run_id, "m").items()) == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_run_without_that_metric_has_an_empty_history(store, recorder, finished):
    assert history(store, finished(recorder), "val/loss") == {}


def test_aliases_that_someone_broke_by_hand_are_none(store, recorder, finished):
    run_id = finished(recorder)
    for broken in ("not JSON", '["a"]', '{"a": 1}', "3"):
        store.client.set_tag(run_id, keys.ALIASES, broken)
        assert get_run(store, run_id).aliases == ()


def test_an_unknown_id_is_told(store):
    with pytest.raises(StoreError, match="cannot read the run 'nope': "):
        get_run(store, "nope")


def test_checkpoints_are_ordered_by_step_and_other_files_left_out(
    store, recorder, stage, run_to_record
):
    run_id = recorder.begin(run_to_record())
    for name in ("step_1000000", "step_000200", "step_999999"):
        recorder.publish_checkpoint(run_id, stage(), name)
    store.client.log_text(run_id, "x", "checkpoints/notes/x.txt")
    assert checkpoints(store, run_id) == ["step_000200", "step_999999", "step_1000000"]
    assert local_checkpoint(store, run_id).name == "step_1000000"
    assert local_checkpoint(store, run_id, "step_000200").name == "step_000200"


def test_a_run_without_a_checkpoint_is_told(store, recorder, finished):
    run_id = finished(recorder, state="failed")
    with pytest.raises(StoreError, match=r"adamw \(.*\) has no checkpoint; its state is failed"):
        local_checkpoint(store, run_id)


def test_a_checkpoint_that_is_not_there_is_told_with_the_nearest(
    store, recorder, stage, run_to_record
):
    run_id = recorder.begin(run_to_record())
    recorder.publish_checkpoint(run_id, stage(), "step_000200")
    with pytest.raises(StoreError, match="no checkpoint 'step_200'; did you mean step_000200"):
        local_checkpoint(store, run_id, "step_200")
    with pytest.raises(StoreError, match=r"no checkpoint '\.\./\.\./x'; it has step_000200"):
        local_checkpoint(store, run_id, "../../x")


def test_a_link_that_leads_out_of_the_store_is_not_followed(
    store, recorder, stage, tmp_path, run_to_record
):
    run_id = recorder.begin(run_to_record())
    recorder.publish_checkpoint(run_id, stage(), "step_000200")
    folder = local_checkpoint(store, run_id)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match=r"model\.safetensors: leads out of the run's artifacts"):
        local_checkpoint(store, run_id)


def test_a_name_means_the_newest_finished_run_of_that_name(store, recorder, finished):
    finished(recorder)
    newest_finished = finished(recorder)
    finished(recorder, state="failed")
    assert resolve_run(store, "adamw").run_id == newest_finished


def test_a_name_means_the_run_that_was_not_superseded(store, recorder, finished):
    old = finished(recorder)
    new = finished(recorder, state="diverged")
    recorder.supersede(new, old)
    assert resolve_run(store, "adamw").run_id == old


def test_a_name_that_only_unfinished_runs_bear_means_the_newest(store, recorder, finished):
    finished(recorder, state="killed")
    newest = finished(recorder, state="failed")
    assert resolve_run(store, "adamw").run_id == newest


def test_the_name_that_another_sweep_gave_means_the_run_too(store, recorder, finished):
    run_id = finished(recorder)
    recorder.add_alias(run_id, "other", "baseline")
    assert resolve_run(store, "baseline").run_id == run_id


def test_an_id_or_a_unique_beginning_of_one_means_its_run(store, recorder, finished):
    run_id = finished(recorder)
    assert resolve_run(store, run_id).run_id == run_id
    assert resolve_run(store, run_id[:8]).run_id == run_id
    with pytest.raises(UsageError, match="no run is called"):
        resolve_run(store, run_id[:3])


def test_an_ambiguous_beginning_is_told_with_the_candidates(store, recorder, monkeypatch, finished):
    monkeypatch.setattr("harness.tracking.resolve.MIN_PREFIX", 0)
    for name in ("a", "b", "c", "d", "e", "f"):
        finished(recorder, name)
    with pytest.raises(UsageError, match=r"'' begins the ids of 6 runs: \w{32} \(a\), .*, \.\.\.$"):
        resolve_run(store, "")


def test_an_unknown_name_is_told_with_the_nearest(store, recorder, finished):
    finished(recorder)
    with pytest.raises(UsageError, match=r"no run is called 'adamv'.*did you mean 'adamw'\?"):
        resolve_run(store, "adamv")
    with pytest.raises(UsageError, match=r"no run is called 'zzz'.*\(at least 4 characters\)$"):
        resolve_run(store, "zzz")


def test_the_name_of_an_experiment_of_several_runs_is_told_as_one(store, recorder, finished):
    finished(recorder, "grid/lr=0.1")
    with pytest.raises(UsageError, match=r"'grid'.*an experiment, whose runs `harness ls grid` l"):
        resolve_run(store, "grid")


def test_what_a_dead_process_left_running_becomes_killed(store, recorder, run_to_record, finished):
    done = finished(recorder)
    left = recorder.begin(run_to_record("left"))
    assert mark_dead_runs(store) == [left]
    assert (get_run(store, left).state, get_run(store, left).status) == ("killed", "KILLED")
    assert get_run(store, done).status == "FINISHED"
    assert mark_dead_runs(store) == []


@pytest.mark.parametrize(("state", "status"), [("diverged", "FINISHED"), ("failed", "FAILED")])
def test_a_run_whose_end_was_cut_off_after_its_state_has_that_end(
    store, recorder, state, status, run_to_record
):
    run_id = recorder.begin(run_to_record())
    recorder.set_tag(run_id, keys.STATE, state)
    assert mark_dead_runs(store) == []
    assert (get_run(store, run_id).state, get_run(store, run_id).status) == (state, status)


@pytest.mark.parametrize("is_local", [True, False], ids=["local", "shared"])
def test_what_another_sweep_has_not_done_is_its_own_to_go_on_with_in_a_shared_store(
    store, recorder, run_to_record, finished, is_local
):
    done, unfinished = finished(recorder), recorder.begin(run_to_record("b"))
    seen = store if is_local else dataclasses.replace(store, database=None)
    assert [run.run_id for run in find_usable_runs(seen, "sweep")] == [done, unfinished]
    others = [done, unfinished] if is_local else [done]
    assert [run.run_id for run in find_usable_runs(seen, "another")] == others
