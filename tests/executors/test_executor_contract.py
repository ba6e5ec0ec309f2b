"""What every executor promises, whichever it is."""

from __future__ import annotations

import executor_work as work
import psutil
import pytest
from executor_work import Kept

from harness.executors import executor_for
from harness.executors.base import Failure
from harness.executors.in_process import InProcess
from harness.executors.processes import Processes
from harness.interrupts import Interrupted

EXECUTORS = {
    "in_process": InProcess,
    "one_worker": lambda: Processes(1),
    "two_workers": lambda: Processes(2),
}


@pytest.fixture(params=EXECUTORS)
def executor(request):
    return EXECUTORS[request.param]()


def test_items_are_prepared_in_order_and_all_come_back(executor):
    kept = Kept([5, 6, 7, 8])
    executor.run(work.square, range(4), kept)
    assert kept.prepared == [0, 1, 2, 3]
    assert kept.results == {0: 25, 1: 36, 2: 49, 3: 64}


def test_with_one_place_each_item_ends_before_the_next_begins():
    for executor in (InProcess(), Processes(1)):
        kept = Kept([5, 6, 7])
        executor.run(work.square, range(3), kept)
        assert list(kept.results) == [0, 1, 2]


def test_only_the_indices_that_are_asked_for_are_run(executor):
    kept = Kept([5, 6, 7])
    executor.run(work.square, [2, 0], kept)
    assert kept.prepared == [2, 0]
    assert kept.results == {2: 49, 0: 25}


def test_no_items_are_no_work(executor):
    kept = Kept([])
    executor.run(work.square, [], kept)
    assert kept.prepared == []


def test_events_come_to_the_right_index_in_the_order_they_were_emitted(executor):
    kept = Kept([5, 6, 7, 8])
    executor.run(work.square, range(4), kept)
    assert kept.events == {i: [("begin", i + 5), ("end", i + 5)] for i in range(4)}


def test_a_failure_fails_its_own_item_with_the_whole_traceback_and_the_others_go_on(executor):
    kept = Kept([1, 2, 3, 4])
    executor.run(work.fail_on_two, range(4), kept)
    failure = kept.results.pop(1)
    assert kept.results == {0: 1, 2: 3, 3: 4}
    assert isinstance(failure, Failure)
    assert failure.message == "ValueError: two is not allowed"
    text = failure.traceback_text
    assert "KeyError: 'inner'" in text
    assert "direct cause" in text
    assert 'raise ValueError("two is not allowed") from error' in text
    assert "executor_work.py" in text
    assert "in fail_on_two" in text
    assert kept.events[1] == [2]


def test_an_error_that_is_a_sentence_already_is_told_as_it_is(executor):
    kept = Kept([7])
    executor.run(work.refuse, [0], kept)
    assert kept.results[0].message == "7 is not on this machine"
    assert "harness.errors.UsageError" in kept.results[0].traceback_text


def test_no_item_is_taken_after_on_done_said_to_stop(executor):
    kept = Kept(list(range(200)), stop_at_first=True)
    executor.run(work.square, range(200), kept)
    assert kept.prepared == kept.prepared_at_stop
    assert len(kept.prepared) < 200
    assert set(kept.results) == set(kept.prepared)  # what was running came to its end


@pytest.mark.parametrize("where", ["prepare", "on_event", "on_done"])
@pytest.mark.parametrize("error", [OSError("the disk is full"), Interrupted(2)], ids=type)
def test_an_exception_in_a_callback_ends_the_workers_and_travels(executor, where, error):
    kept = Kept([1, 2, 3, 4], raise_in=where, error=error)
    with pytest.raises(type(error)) as caught:
        executor.run(work.own_pid, range(4), kept)
    assert caught.value is error
    pids = {pid for pids in kept.events.values() for pid in pids}
    assert psutil.Process().pid in pids or not any(map(psutil.pid_exists, pids))


def test_results_and_events_are_equal_whichever_executor_runs_them():
    found = []
    for make in EXECUTORS.values():
        kept = Kept([1, 2, 3])
        make().run(work.fail_on_two, range(3), kept)
        messages = {i: getattr(result, "message", result) for i, result in kept.results.items()}
        found.append((messages, kept.events))
    assert found[0] == found[1] == found[2]


def test_one_job_trains_in_this_process_and_more_in_workers():
    assert isinstance(executor_for(1), InProcess)
    many = executor_for(3)
    assert isinstance(many, Processes)
    assert many.num_workers == 3
