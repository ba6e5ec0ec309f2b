"""A server that is away: what is asked is asked again, and done once."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time

import pytest
from served import serving
from unreliable import Proxy

from harness.errors import StoreError
from harness.interrupts import Interrupted, installed, shielded
from harness.tracking import keys, patience
from harness.tracking import recorder as recorder_module
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.late_delivery import OUTBOX, delivery_for
from harness.tracking.lock import STATE_FOLDER
from harness.tracking.models import CheckpointModel, log_models
from harness.tracking.patience import ServerAway, leave_repeating_to_us, patient
from harness.tracking.read import checkpoints, find_runs, get_run, history
from harness.tracking.reconcile import mark_dead_runs
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.server import free_port
from harness.tracking.store import open_store


@pytest.fixture(scope="module")
def behind(ready_made_store, tmp_path_factory):
    """The store of a real server, read directly, and a proxy before that server."""
    folder = tmp_path_factory.mktemp("behind")
    shutil.copyfile(ready_made_store, folder / "mlflow.db")
    local = open_store(f"sqlite:///{folder}/mlflow.db", folder)
    port = free_port(0)
    with serving(local, folder, port):
        yield local, Proxy(port)


@pytest.fixture
def proxy(behind, monkeypatch):
    """The proxy, which answers again after the test; MLflow's client asks once."""
    monkeypatch.setenv(patience.MLFLOWS_RETRIES, "0")
    _, made = behind
    yield made
    if made._listener is None:
        made.come_back()


class Sweep:
    """What one call of `harness run` has: its store and what it was told."""

    def __init__(self, url, folder, name):
        self.told, self.url, self.folder, self.name = [], url, folder, name
        opened = open_store(url, folder)
        leave_repeating_to_us(opened)
        self.experiment = ensure_mlflow_experiment(opened, name)
        self.store = patient(opened, self.told.append, lambda: None)
        self.recorder = Recorder(self.store, self.experiment, {}, tell=self.told.append)
        self.outbox = folder / "mlruns" / STATE_FOLDER / OUTBOX

    def next_call(self):
        return Sweep(self.url, self.folder, self.name)


@pytest.fixture
def sweep(proxy, tmp_path, request):
    return Sweep(proxy.url, tmp_path, request.node.name)


def again_in(proxy, seconds):
    threading.Timer(seconds, proxy.come_back).start()


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
    assert proxy.swallowed == [b"/runs/create"]
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


def train_while_away(sweep, proxy, stage, run_id, steps):
    """A run that goes on, is saved, and ends, while nobody listens."""
    proxy.go_away()
    sweep.recorder.add_steps(run_id, [(step, 1 / step) for step in steps])
    sweep.recorder.publish_checkpoint(run_id, stage(b"weights"), f"step_{steps[-1]:06d}")
    return sweep.recorder.end(run_id, Outcome("finished", {"train/perplexity": 2.0}, steps[-1]))


@pytest.mark.parametrize("short_s", [5.0, 0.0])
def test_training_goes_on_while_the_server_is_away_and_is_recorded_later(
    behind, proxy, sweep, stage, run_to_record, monkeypatch, short_s
):
    monkeypatch.setattr(recorder_module, "SHORT_S", short_s)
    local, _ = behind
    run_id = sweep.recorder.begin(run_to_record())
    sweep.recorder.add_steps(run_id, [(1, 1.0), (2, 0.5)])
    sweep.recorder.flush(run_id)
    ended = train_while_away(sweep, proxy, stage, run_id, range(3, 31))
    assert ended.state == "finished"
    assert get_run(local, run_id).state == "running"
    assert sweep.outbox.is_dir()
    again_in(proxy, 0.5)
    sweep.recorder.settle()
    found = get_run(local, run_id)
    assert (found.state, found.status, found.end_time) == ("finished", "FINISHED", ended.end_time)
    assert (found.metrics, found.tags) == (ended.metrics, ended.tags)
    assert list(history(local, run_id)) == list(range(1, 31))
    assert checkpoints(sweep.store, run_id) == ["step_000030"]
    assert not sweep.outbox.exists()
    assert "training goes on, and what it records waits in" in sweep.told[0]
    assert sweep.told[-1].endswith("what waited is recorded")


def test_what_a_dead_process_left_waiting_is_delivered_by_the_next(
    behind, proxy, sweep, stage, run_to_record
):
    local, _ = behind
    run_id = sweep.recorder.begin(run_to_record())
    ended = train_while_away(sweep, proxy, stage, run_id, range(1, 21))
    proxy.come_back()
    again = sweep.next_call()
    assert mark_dead_runs(again.store, again.experiment) == []
    assert get_run(local, run_id).metrics == ended.metrics
    assert checkpoints(again.store, run_id) == ["step_000020"]
    assert not again.outbox.exists()


def test_what_waits_for_a_run_that_another_went_on_with_is_let_go(
    behind, proxy, sweep, stage, run_to_record
):
    local, _ = behind
    taken, gone, ours = (sweep.recorder.begin(run_to_record(name)) for name in "abc")
    proxy.go_away()
    for run_id in (taken, gone, ours):
        sweep.recorder.end(run_id, Outcome("failed", traceback_text="ValueError: x"))
    local.client.set_tag(taken, keys.WRITER, "another")
    local.client.delete_run(gone)
    proxy.come_back()
    again = sweep.next_call()
    states = [get_run(local, run_id).status for run_id in (taken, ours)]
    assert states == ["RUNNING", "FAILED"]
    assert [text.partition(": ")[0] for text in again.told[:2]] == [f"run {taken}", f"run {gone}"]
    assert "another process has gone on with it" in again.told[0]
    assert not again.outbox.exists()


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda text: b"", lambda text: text[:-1], lambda text: flip(text, 3), lambda t: flip(t, 99)],
    ids=["emptied", "cut short", "its checksum changed", "a bit flipped"],
)
def test_what_waits_and_is_damaged_is_let_go_with_all_after_it_and_the_run_gone_on_with(
    behind, proxy, sweep, stage, run_to_record, damage
):
    local, _ = behind
    whole, hurt = (sweep.recorder.begin(run_to_record(name)) for name in "ab")
    train_while_away(sweep, proxy, stage, whole, range(1, 21))
    num_whole = len(list(sweep.outbox.rglob("*.letter")))
    train_while_away(sweep, proxy, stage, hurt, range(1, 21))
    letter = sorted(sweep.outbox.rglob("*.letter"))[num_whole]
    letter.write_bytes(damage(letter.read_bytes()))
    proxy.come_back()
    again = sweep.next_call()
    assert get_run(local, whole).state == "finished"
    assert (get_run(local, hurt).status, history(local, hurt)) == ("RUNNING", {})
    assert again.told[0].endswith(
        "damaged: its checksum does not match; it and what came after it is let go"
    )
    assert not again.outbox.exists()
    assert mark_dead_runs(again.store, again.experiment) == [hurt]


def test_a_checkpoint_whose_record_was_cut_off_does_not_stay_in_the_outbox(
    proxy, sweep, stage, run_to_record, monkeypatch
):
    run_id = sweep.recorder.begin(run_to_record())
    proxy.go_away()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(Interrupted(signal.SIGINT)))
        with pytest.raises(Interrupted):
            sweep.recorder.publish_checkpoint(run_id, stage(), "step_000001")
    assert [path.suffix for path in sorted(sweep.outbox.glob("*/*"))] == [".files", ".partial"]
    proxy.come_back()
    assert not sweep.next_call().outbox.exists()


def test_a_file_that_is_no_record_is_left_out(behind, proxy, sweep, stage, run_to_record):
    local, _ = behind
    run_id = sweep.recorder.begin(run_to_record())
    train_while_away(sweep, proxy, stage, run_id, range(1, 21))
    for letter in sweep.outbox.rglob("*.letter"):
        letter.with_name("copy of it.letter").write_bytes(letter.read_bytes())
    proxy.come_back()
    again = sweep.next_call()
    assert get_run(local, run_id).state == "finished"
    assert not again.outbox.exists()


def test_a_damaged_record_of_this_call_ends_it(proxy, sweep, stage, run_to_record):
    run_id = sweep.recorder.begin(run_to_record())
    train_while_away(sweep, proxy, stage, run_id, range(1, 21))
    letter = sorted(sweep.outbox.rglob("*.letter"))[1]
    letter.write_bytes(b"")
    proxy.come_back()
    with pytest.raises(StoreError, match=r"2\.letter: damaged: its checksum does not match"):
        sweep.recorder.settle()
    assert get_run(sweep.store, run_id).status == "RUNNING"


def test_a_server_that_stays_away_ends_the_call_and_keeps_what_waits(
    proxy, sweep, stage, run_to_record, monkeypatch
):
    run_id = sweep.recorder.begin(run_to_record())
    train_while_away(sweep, proxy, stage, run_id, range(1, 11))
    monkeypatch.setenv(patience.TIMEOUT_VARIABLE, "0.5")
    store = sweep.store
    delivery = delivery_for  # a call that begins while the server is still away
    with pytest.raises(
        ServerAway, match=r"no answer for \d s \(Connection refused\); what is recorded is kept"
    ):
        delivery(store, sweep.experiment, None, sweep.told.append, lambda: None)
    assert len(list(sweep.outbox.rglob("*.letter"))) >= 3
    proxy.come_back()
    delivery(store, sweep.experiment, None, sweep.told.append, lambda: None)
    assert get_run(store, run_id).state == "finished"


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


@pytest.mark.parametrize("unanswered", [b"/runs/get", b"/runs/log-batch"])
def test_whose_a_run_is_by_now_is_asked_until_it_is_answered_and_kept_in_mind(
    behind, proxy, sweep, run_to_record, unanswered
):
    local, _ = behind
    taken, ours = (sweep.recorder.begin(run_to_record(name)) for name in "ab")
    proxy.go_away()
    sweep.recorder.add_steps(taken, [(1, 1.0)])
    sweep.recorder.flush(taken)
    sweep.recorder.end(ours, Outcome("finished"))
    sweep.recorder.end(taken, Outcome("finished"))
    local.client.set_tag(taken, keys.WRITER, "another")
    proxy.come_back()
    proxy.swallow(unanswered)
    again = sweep.next_call()
    assert proxy.swallowed[-1:] == [unanswered]
    found = [(get_run(local, run_id).status, history(local, run_id)) for run_id in (taken, ours)]
    assert found == [("RUNNING", {}), ("FINISHED", {})]
    assert f"run {taken}: what waited for the server is let go: another process" in again.told[0]
