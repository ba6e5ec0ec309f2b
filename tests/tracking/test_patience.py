"""A server that is away: what is asked is asked again, and done once."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from served_sweep import again_in

from harness.errors import StoreError
from harness.interrupts import Interrupted, installed, shielded
from harness.tracking import keys, patience
from harness.tracking.models import CheckpointModel, log_models
from harness.tracking.patience import ServerAway
from harness.tracking.read import find_runs, get_run
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.store import open_store


def test_a_server_that_is_away_for_a_moment_is_waited_for_and_that_is_told(
    proxy, sweep, run_to_record
):
    proxy.go_away()
    again_in(proxy, 2.5)
    run_id = sweep.recorder.begin(run_to_record())
    assert get_run(sweep.store, run_id).state == "running"
    away, back = sweep.told
    assert away == f"{proxy.url}: no answer (Connection refused); asking again for 600 s"
    assert back.startswith(f"{proxy.url}: answers again after ")


def test_a_run_whose_creation_was_not_answered_is_there_once(proxy, sweep, run_to_record):
    proxy.swallow(b"/runs/create")
    run_id = sweep.recorder.begin(run_to_record())
    assert proxy.swallowed[-1:] == [b"/runs/create"]
    assert [run.run_id for run in find_runs(sweep.store, [sweep.experiment])] == [run_id]
    second = sweep.recorder.begin(run_to_record("second"))
    assert second != run_id


def test_left_to_mlflows_own_repeating_it_would_be_there_twice(behind, proxy, monkeypatch):
    local, _ = behind
    monkeypatch.setenv(patience.MLFLOWS_RETRIES, "3")
    client = open_store(proxy.url).client
    experiment = client.create_experiment("repeated by MLflow")
    proxy.swallow(b"/runs/create")
    client.create_run(experiment, run_name="once")
    assert len(local.client.search_runs([experiment])) == 2


def test_a_run_is_resumed_whose_error_was_taken_away_without_an_answer(proxy, sweep, run_to_record):
    run_id = sweep.recorder.begin(run_to_record())
    sweep.recorder.end(run_id, Outcome("failed", traceback_text="ValueError: x"))
    proxy.swallow(b"/runs/delete-tag")
    sweep.recorder.resume(run_id)
    assert proxy.swallowed[-1:] == [b"/runs/delete-tag"]
    assert keys.ERROR not in get_run(sweep.store, run_id).tags


@pytest.mark.parametrize("request_name", [b"/logged-models ", b"/runs/outputs", b"PATCH /api"])
def test_a_checkpoint_that_was_logged_as_a_model_and_not_answered_is_there_once(
    behind, proxy, sweep, stage, run_to_record, request_name
):
    local, _ = behind
    run_id = sweep.recorder.begin(run_to_record())
    sweep.recorder.add_steps(run_id, [(1, 1.0)])
    sweep.recorder.publish_checkpoint(run_id, stage(), "step_000001")
    sweep.recorder.end(run_id, Outcome("finished"))
    run = get_run(sweep.store, run_id)
    proxy.swallow(request_name)
    log_models(
        sweep.store,
        sweep.experiment,
        [CheckpointModel(run, "step_000001", ("final",), {"train/loss": 1.0})],
    )
    assert proxy.swallowed[-1:] == [request_name]
    (model,) = local.client.search_logged_models([sweep.experiment])
    assert model.status == "READY"
    outputs = local.client.get_run(run_id).outputs.model_outputs
    assert model.model_id in [output.model_id for output in outputs]


@pytest.mark.parametrize("request_name", [b"/runs/log-batch", b"/runs/log-inputs", b"/runs/update"])
def test_what_was_written_and_not_answered_is_written_once(
    behind, proxy, sweep, run_to_record, request_name
):
    local, _ = behind
    run_id = sweep.recorder.begin(run_to_record(dataset=DatasetInput("d", "ab" * 16, "text")))
    proxy.swallow(request_name)
    sweep.recorder.add_steps(run_id, [(step, 1 / step) for step in range(1, 51)])
    sweep.recorder.end(run_id, Outcome("finished", {"train/perplexity": 2.0}, 50))
    sweep.recorder.settle()
    assert proxy.swallowed[-1:] == [request_name]
    assert len(local.client.get_metric_history(run_id, keys.TRAIN_LOSS)) == 50
    assert len(local.client.get_run(run_id).inputs.dataset_inputs) == 1
    assert (get_run(local, run_id).state, get_run(local, run_id).status) == ("finished", "FINISHED")


def test_a_run_that_cannot_begin_is_waited_for_once(proxy, sweep, run_to_record, monkeypatch):
    monkeypatch.setenv(patience.TIMEOUT_VARIABLE, "1.5")
    hasty = sweep.next_call()
    proxy.go_away()
    began = time.monotonic()
    with pytest.raises(ServerAway, match=r"no answer for \d s \(Connection refused\)"):
        hasty.recorder.begin(run_to_record())
    assert 1.5 <= time.monotonic() - began < 3  # twice as long would be 3.5


def test_a_time_that_is_none_is_told(monkeypatch):
    monkeypatch.setenv(patience.TIMEOUT_VARIABLE, "soon")
    with pytest.raises(StoreError, match="HARNESS_SERVER_TIMEOUT_S: must be a number of seconds"):
        patience.server_timeout_s()


def test_ctrl_c_ends_the_wait_for_a_server_even_while_a_record_is_written(
    proxy, sweep, run_to_record
):
    proxy.go_away()
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    began = time.monotonic()
    with installed(), pytest.raises(Interrupted), shielded():
        sweep.recorder.begin(run_to_record())
    assert time.monotonic() - began < 5


def test_what_a_server_refuses_is_not_asked_again(sweep):
    with pytest.raises(StoreError, match="not found"):
        get_run(sweep.store, "0" * 32)
    assert sweep.told == []
