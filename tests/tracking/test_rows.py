"""Rows are written directly, one by one or together, and the client does what is unusual."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import time

import pytest

from harness.errors import StoreError
from harness.interrupts import Interrupted, installed
from harness.tracking import keys, rows
from harness.tracking import recorder as recorder_module
from harness.tracking.delivery import AtOnce
from harness.tracking.read import find_runs, get_run, history
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.rows import RowWriter
from harness.tracking.store import Store
from harness.tracking.writer_choice import writer_for
from harness.tracking.writers import Batch, ClientWriter, Point


def test_what_the_recorder_says_of_a_run_is_what_the_store_says(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record(dataset=DatasetInput("text", "ab" * 32, "inline")))
    recorder.add_steps(run_id, [(1, 5.0), (2, 4.0)])
    said = recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.5}, 2))
    assert said == get_run(store, run_id)
    recorder.resume(run_id)
    assert recorder.end(run_id, Outcome("finished")).metrics == said.metrics


class Refusing:
    """A client that must not be asked."""

    def create(self, *arguments):
        raise AssertionError("the client was asked")

    write = end = commit = create


def test_a_new_store_is_written_directly_and_a_server_never(store):
    assert isinstance(writer_for(store, "1"), RowWriter)
    remote = Store("http://127.0.0.1:1", store.state_dir)
    vars(remote)["client"] = store.client
    assert isinstance(writer_for(remote, "1"), ClientWriter)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE runs ADD COLUMN team TEXT",
        "CREATE INDEX more ON metrics (value)",
        "CREATE TRIGGER t AFTER INSERT ON tags BEGIN SELECT 1; END",
    ],
)
def test_tables_that_are_not_known_to_the_letter_are_left_to_the_client(store, change):
    connection = sqlite3.connect(store.database)
    connection.execute(change)
    connection.close()
    told = []
    assert isinstance(writer_for(store, "1", told.append), ClientWriter)
    assert told == [
        "runs are recorded through MLflow's client, some fifteen times slower: its tables are not "
        "those of MLflow alone"
    ]


def test_a_key_that_mlflow_might_refuse_is_mlflows_to_judge(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record(tags={"my team": "a"}))
    assert get_run(store, run_id).tags["my team"] == "a"
    with pytest.raises(StoreError, match=r"cannot write the run .*: Invalid value \"a\\\\b\""):
        recorder.add_points(run_id, "a\\b", [(n, 1.0) for n in range(1000)])


def test_a_param_that_would_change_is_refused_and_nothing_of_the_batch_written(
    store, recorder, run_to_record
):
    run_id = recorder.begin(run_to_record())
    recorder.flush(run_id)
    writer = writer_for(store, recorder._experiment_id)
    batch = Batch([Point("m", 1.0, 1, 1)], {"optimizer.lr": "7"}, {"t": "x"})
    with pytest.raises(StoreError, match="Changing param values is not allowed"):
        writer.write(run_id, batch)
    assert history(store, run_id, "m") == {}
    assert "t" not in get_run(store, run_id).tags


def test_a_run_that_was_deleted_is_not_written(store, recorder, run_to_record):
    run_id = recorder.begin(run_to_record())
    store.client.delete_run(run_id)
    with pytest.raises(StoreError, match="must be in the 'active' state"):
        recorder.end(run_id, Outcome("finished"))


def three_runs(recorder, run_to_record, names="abc"):
    """Short runs as a stack writes them; their ids."""
    ids = [recorder.begin(run_to_record(name)) for name in names]
    for run_id in ids:
        recorder.add_steps(run_id, [(step, 1 / step) for step in range(1, 31)])
        recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.5}, 30))
    return ids


def test_what_is_batched_is_there_after_the_block_and_when_it_is_asked_for(
    store, recorder, run_to_record, monkeypatch
):
    monkeypatch.setattr(rows, "LONGEST_WAIT_S", 60)
    with recorder.batched():
        first = three_runs(recorder, run_to_record)
        assert find_runs(store) == []
        recorder.settle()
        assert [run.run_id for run in find_runs(store)] == first
        second = three_runs(recorder, run_to_record, "de")
        recorder.set_tag(second[0], "seen", "yes")
        assert get_run(store, second[0]).tags["seen"] == "yes"
        third = three_runs(recorder, run_to_record, "f")
        assert len(find_runs(store)) == 5
    runs = find_runs(store)
    assert [run.run_id for run in runs] == [*first, *second, *third]
    assert {(run.state, run.status, len(history(store, run.run_id))) for run in runs} == {
        ("finished", "FINISHED", 30)
    }


def test_a_batch_does_not_wait_long(store, recorder, run_to_record, monkeypatch):
    monkeypatch.setattr(rows, "LONGEST_WAIT_S", 0.05)
    with recorder.batched():
        recorder.begin(run_to_record("a"))
        time.sleep(0.1)
        recorder.begin(run_to_record("b"))
        assert [run.name for run in find_runs(store)] == ["a", "b"]


def test_a_long_run_waits_for_nothing(store, recorder, run_to_record, monkeypatch, stage):
    monkeypatch.setattr(recorder_module, "SHORT_S", 0.0)
    with recorder.batched():
        run_id = recorder.begin(run_to_record())
        recorder.add_steps(run_id, [(1, 1.0)])
        recorder.flush(run_id)
        recorder.publish_checkpoint(run_id, stage(), "step_000001")
        assert history(store, run_id) == {1: 1.0}
        recorder.end(run_id, Outcome("finished"))
        assert get_run(store, run_id).status == "FINISHED"


def test_the_curve_of_a_run_is_seen_within_three_seconds_while_it_trains(
    store, recorder, run_to_record
):
    seen: dict[int, float] = {}
    with recorder.batched():
        run_id = recorder.begin(run_to_record())
        recorder.commit()
        began = time.monotonic()
        while (now := time.monotonic() - began) < 5:
            recorder.add_steps(run_id, [(1 + len(seen), 1.0)])
            seen[len(seen) + 1] = now
            behind = now - seen.get(max(history(store, run_id), default=0), 0.0)
            assert behind < 3
            time.sleep(0.1)


def test_where_one_of_a_batch_is_out_of_the_ordinary_all_are_written(
    store, recorder, run_to_record
):
    with recorder.batched():
        first = three_runs(recorder, run_to_record)
        odd = recorder.begin(run_to_record("odd", params={"my param": "a"}))
        recorder.end(odd, Outcome("finished", tags={"my tag": "b"}))
        last = three_runs(recorder, run_to_record, "xyz")
    runs = {run.run_id: run for run in find_runs(store)}
    assert runs.keys() == {*first, odd, *last}
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert (runs[odd].params["my param"], runs[odd].tags["my tag"]) == ("a", "b")
    assert all(len(history(store, run_id)) == 30 for run_id in (*first, *last))


def test_a_run_that_is_deleted_meanwhile_costs_no_other_run_of_its_batch_its_end(
    store, recorder, run_to_record
):
    def end_all():
        with recorder.batched():
            ids.extend(recorder.begin(run_to_record(name)) for name in "abc")
            recorder.commit()
            store.client.delete_run(ids[0])
            for run_id in ids:
                recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.5}, 30))

    ids: list[str] = []
    with pytest.raises(StoreError, match="must be in the 'active' state"):
        end_all()
    ended = [(run.run_id, run.state, run.status) for run in find_runs(store)]
    assert ended == [(run_id, "finished", "FINISHED") for run_id in ids[1:]]
    assert store.client.get_run(ids[0]).info.status == "RUNNING"
    recorder.commit()  # nothing waits any more


@pytest.mark.parametrize("nth", [1, 2], ids=["before the commit", "after it"])
def test_a_signal_that_comes_as_a_batch_ends_loses_nothing_and_writes_nothing_twice(
    store, recorder, run_to_record, monkeypatch, nth
):
    @contextlib.contextmanager
    def interrupted():
        calls.append("entered")
        if len(calls) == nth:
            raise Interrupted(signal.SIGINT)
        yield
        calls.append("left")
        if len(calls) == nth:
            raise Interrupted(signal.SIGINT)

    calls: list[str] = []
    monkeypatch.setattr(rows, "shielded", interrupted)
    with pytest.raises(Interrupted), recorder.batched():
        ids = three_runs(recorder, run_to_record)
    assert [run.run_id for run in find_runs(store)] == ids
    assert {len(history(store, run_id)) for run_id in ids} == {30}


def test_a_signal_while_a_batch_is_committed_has_it_written_once(store, recorder, run_to_record):
    def interrupt(statement):
        if statement == "COMMIT":
            os.kill(os.getpid(), signal.SIGINT)

    connection, ids = recorder._writer._connection, []

    def begin():
        with recorder.batched():
            ids.append(recorder.begin(run_to_record()))
            connection.set_trace_callback(interrupt)
            recorder.commit()

    with installed(), pytest.raises(Interrupted):
        begin()
    connection.set_trace_callback(None)
    recorder.commit()
    assert recorder.end(ids[0], Outcome("killed")).tags == get_run(store, ids[0]).tags


def leave_while_locked(store, block):
    """The end of a block of records while another program has the database locked; that is told."""
    other = sqlite3.connect(store.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program has had it locked"):
        block.__exit__(None, None, None)
    other.execute("ROLLBACK")
    other.close()


def test_a_locked_database_ends_a_batch_with_who_and_keeps_it(
    store, recorder, run_to_record, monkeypatch
):
    monkeypatch.setenv("HARNESS_BUSY_TIMEOUT_S", "0.1")
    writer = writer_for(store, recorder._experiment_id)
    recorder = Recorder(store, recorder._experiment_id, {}, writer)
    block = recorder.batched()
    block.__enter__()
    ids = three_runs(recorder, run_to_record)
    leave_while_locked(store, block)
    assert find_runs(store) == []
    recorder.settle()
    assert [run.run_id for run in find_runs(store)] == ids


def test_what_a_lock_kept_from_being_written_is_written_before_what_comes_after_it(
    store, recorder, run_to_record, monkeypatch
):
    monkeypatch.setenv("HARNESS_BUSY_TIMEOUT_S", "0.1")
    recorder = Recorder(store, recorder._experiment_id, {})
    block = recorder.batched()
    block.__enter__()
    cut_off = recorder.begin(run_to_record("cut off"))
    recorder.commit()
    recorder.add_steps(cut_off, [(1, 1.0)])
    recorder.flush(cut_off)
    ended = three_runs(recorder, run_to_record)
    leave_while_locked(store, block)
    recorder.end(cut_off, Outcome("killed"))
    found = {run.run_id: run.state for run in find_runs(store)}
    assert found == {cut_off: "killed", **dict.fromkeys(ended, "finished")}
    assert history(store, cut_off) == {1: 1.0}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_batch_that_is_killed_between_two_statements_leaves_the_store_as_it_was(
    store, recorder, run_to_record, share
):
    before = three_runs(recorder, run_to_record, "a")
    counted = []
    recorder._writer._connection.set_trace_callback(counted.append)
    with recorder.batched():
        before += three_runs(recorder, run_to_record, "bc")
    recorder._writer._connection.set_trace_callback(None)
    last = 1 + int(share * (len(counted) - 1))
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            left = itertools.count(1)
            recorder._writer = writer_for(store, recorder._experiment_id)
            recorder._delivery = AtOnce(store, recorder._writer)
            recorder._writer._connection.set_trace_callback(
                lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(left) == last else None
            )
            with recorder.batched():
                three_runs(recorder, run_to_record, "de")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert [run.run_id for run in find_runs(store)] == before
    with contextlib.closing(sqlite3.connect(store.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        count = connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
    assert count == 3 * 31
