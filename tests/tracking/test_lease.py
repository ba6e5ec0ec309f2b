"""A store that hosts share: one process runs a sweep, and a dead one is told from a slow one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from harness.errors import StoreInUse
from harness.tracking import lease as lease_module
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.holder import Holder
from harness.tracking.lease import Lease, leased
from harness.tracking.reconcile import mark_dead_runs

TAG = "harness.lease"


@pytest.fixture
def shared(store, monkeypatch):
    """A store that is taken for one that hosts share, and its experiment; all is quick."""
    monkeypatch.setattr(lease_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(lease_module, "POLL_S", 0.02)
    monkeypatch.setattr(lease_module, "INTERVAL_S", 0.1)
    return dataclasses.replace(store, database=None), ensure_mlflow_experiment(store, "sweep")


def tag(shared) -> str:
    store, experiment = shared
    return store.client.get_experiment(experiment).tags[TAG]


def put(shared, holder: Holder | str) -> None:
    store, experiment = shared
    text = holder if isinstance(holder, str) else holder.to_json()
    store.client.set_experiment_tag(experiment, TAG, text)


def elsewhere(**changes) -> Holder:
    return dataclasses.replace(Holder.this(), boot="another", host="far", pid=7, **changes)


def take(shared, *, wait: bool = False, say=lambda text: None):
    return leased(*shared, wait=wait, say=say)


@pytest.fixture
def gone() -> Holder:
    """A process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return dataclasses.replace(Holder.this(), pid=process.pid)


def test_the_lease_says_who_runs_the_sweep_and_is_given_back(shared):
    with take(shared):
        found = json.loads(tag(shared))
        assert found["pid"] == os.getpid()
        assert found["heartbeat"] == pytest.approx(time.time(), abs=5)
    assert tag(shared) == ""


def test_it_is_given_back_after_an_exception(shared):
    with pytest.raises(KeyError), take(shared):
        raise KeyError
    assert tag(shared) == ""


def test_a_living_process_of_this_host_keeps_the_sweep_however_silent(shared):
    put(shared, dataclasses.replace(Holder.this(), heartbeat=time.time() - 600))
    with (
        pytest.raises(
            StoreInUse,
            match=rf"this sweep is being run by process {os.getpid()}, since .* "
            r"\(no sign of life for 600 s: it may be stopped\); wait until it ends \(--wait does\)",
        ),
        take(shared),
    ):
        pass


def test_a_dead_process_of_this_host_does_not(shared, gone):
    put(shared, gone)
    with take(shared):
        pass


def test_nor_does_one_whose_process_id_another_has_now(shared):
    put(shared, dataclasses.replace(Holder.this(), born=Holder.this().born - 100))
    with take(shared):
        pass


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"pid": "1"}', "9" * 5000])
def test_what_is_no_lease_keeps_nobody_out(shared, text):
    put(shared, text)
    with take(shared):
        pass


def test_another_host_keeps_the_sweep_while_its_heart_beats(shared):
    put(shared, elsewhere())
    with pytest.raises(StoreInUse, match="by process 7 on far, since"), take(shared):
        pass


@pytest.mark.parametrize("clock_s", [-3600, 3600])
def test_a_heart_that_beats_by_another_clock_is_seen_to_beat(shared, clock_s):
    said = []
    put(shared, elsewhere(heartbeat=time.time() + clock_s))
    beat = threading.Timer(0.1, lambda: put(shared, elsewhere(heartbeat=time.time() + clock_s)))
    beat.start()
    with pytest.raises(StoreInUse, match="on far"), take(shared, say=said.append):
        pass
    beat.join()
    assert len(said) == 1
    assert "process 7 on far" in said[0]
    assert "seems dead: watched for" in said[0]


def test_a_heart_that_stands_still_is_watched_and_then_taken_for_dead(shared):
    put(shared, elsewhere(heartbeat=time.time() - 3600))
    begun = time.monotonic()
    with take(shared):
        assert time.monotonic() - begun > 2.5 * 0.1
        assert json.loads(tag(shared))["pid"] == os.getpid()


def test_a_taker_may_wait_until_the_sweep_is_free(shared):
    put(shared, elsewhere())
    threading.Timer(0.3, lambda: put(shared, "")).start()
    begun = time.monotonic()
    with take(shared, wait=True):
        assert time.monotonic() - begun > 0.2


def test_of_two_that_take_it_at_once_one_has_it(shared):
    results = []

    def one() -> None:
        try:
            with take(shared):
                results.append("has it")
                time.sleep(0.3)
        except StoreInUse:
            results.append("refused")

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["has it", "refused"]


def test_its_heart_beats_while_the_block_runs(shared):
    with take(shared):
        first = json.loads(tag(shared))["heartbeat"]
        deadline = time.monotonic() + 10
        while json.loads(tag(shared))["heartbeat"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("left", ["", elsewhere().to_json()], ids=["free", "held"])
def test_who_was_asleep_while_another_took_over_writes_nothing_more(shared, left):
    lease = Lease(*shared)
    lease.take(wait=False, say=print)
    lease.holder = dataclasses.replace(lease.holder, heartbeat=time.time() - 40)
    put(shared, left)
    with pytest.raises(StoreInUse, match="took this sweep over while this process stood still"):
        lease.check()
    lease.release()
    assert tag(shared) == left


def test_who_has_the_lease_ends_what_others_left_running_of_that_sweep_alone(
    shared, recorder, run_to_record, store, monkeypatch
):
    monkeypatch.setattr("harness.tracking.recorder.writer_id", lambda folder: "another host")
    theirs = type(recorder)(store, shared[1], {})
    other = type(recorder)(store, ensure_mlflow_experiment(store, "other"), {})
    left, foreign = theirs.begin(run_to_record("left")), other.begin(run_to_record("foreign"))
    assert mark_dead_runs(shared[0]) == []
    assert mark_dead_runs(shared[0], leased=shared[1]) == [left]
    assert store.client.get_run(foreign).info.status == "RUNNING"


def test_a_local_store_has_no_lease(store):
    experiment = ensure_mlflow_experiment(store, "sweep")
    with leased(store, experiment, wait=False, say=print) as check:
        check()
        assert TAG not in store.client.get_experiment(experiment).tags
