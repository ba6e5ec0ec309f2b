"""What is recorded while a server is away waits on the disk, and is delivered later, once."""

from __future__ import annotations

import os
import signal

import pytest
from served_sweep import again_in

from harness.errors import StoreError
from harness.interrupts import Interrupted
from harness.tracking import keys, patience
from harness.tracking import recorder as recorder_module
from harness.tracking.late_delivery import delivery_for
from harness.tracking.patience import ServerAway
from harness.tracking.read import checkpoints, get_run, history
from harness.tracking.reconcile import mark_dead_runs
from harness.tracking.record import Outcome


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
    assert again.told == [f"{proxy.url}: what waited for it since an earlier call is recorded"]


def test_a_checkpoint_that_was_made_a_link_meanwhile_is_not_followed(
    behind, proxy, sweep, stage, run_to_record, tmp_path
):
    local, _ = behind
    run_id = sweep.recorder.begin(run_to_record())
    train_while_away(sweep, proxy, stage, run_id, range(1, 21))
    (kept,) = sweep.outbox.rglob("*.files")
    (tmp_path / "secret").write_text("mine")
    (kept / "model.safetensors").unlink()
    (kept / "model.safetensors").symlink_to(tmp_path / "secret")
    proxy.come_back()
    again = sweep.next_call()
    assert "leads out of the run's artifacts, which is not followed" in again.told[0]
    assert checkpoints(again.store, run_id) == []
    assert get_run(local, run_id).status == "RUNNING"


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
    assert len(again.told) == 1  # what is not true is not told
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
