"""Workers that die, and workers whose parent does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import executor_work as work
import psutil
import pytest
from executor_work import Kept

from harness.executors.base import Failure
from harness.executors.processes import Processes

PARENT = """
import sys
sys.path.insert(0, {folder!r})
import executor_work
from harness.executors.processes import Processes

class Print:
    def prepare(self, index): return index
    def on_event(self, index, pid):
        print(pid, flush=True) if pid not in seen else None
        seen.add(pid)
    def on_done(self, index, result): return True

seen = set()
Processes(2).run(executor_work.{function}, range(2), Print())
"""


def test_a_worker_that_is_killed_fails_its_own_item_with_the_reason_and_the_others_go_on():
    kept = Kept([1, 2, 3, 4])
    Processes(2).run(work.killed_on_two, range(4), kept)
    failure = kept.results.pop(1)
    assert kept.results == {0: 1, 2: 3, 3: 4}
    assert isinstance(failure, Failure)
    assert failure.message.startswith("the worker process ")
    assert failure.message.endswith(" died (signal SIGKILL)")
    assert kept.events[1] == [2]


def test_every_worker_may_die_and_all_items_are_still_answered():
    kept = Kept([2] * 4)
    Processes(2).run(work.killed_on_two, range(4), kept)
    assert [type(kept.results[i]) for i in range(4)] == [Failure] * 4


def test_a_worker_that_leaves_is_told_with_its_exit_code():
    kept = Kept([2, 3])
    Processes(1).run(work.leaves_on_two, range(2), kept)
    assert kept.results[0].message.endswith(" died (exit code 3)")
    assert kept.results[1] == 3


def test_a_worker_killed_between_two_items_fails_the_next_one_and_is_replaced():
    class KillBetween(Kept):
        def on_done(self, index, result):
            if index == 0:
                worker = psutil.Process(result)
                worker.kill()
                while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
                    time.sleep(0.01)
            return super().on_done(index, result)

    # 1 MB does not fit into the pipe: sending it to a dead worker fails at once.
    kept = KillBetween([b"x", b"x" * 2**20, b"x"])
    Processes(1).run(work.own_pid, range(3), kept)
    assert kept.results[1].message.endswith(" died (signal SIGKILL)")
    assert isinstance(kept.results[2], int)
    assert kept.results[2] != kept.results[0]


def test_a_result_that_cannot_be_sent_home_is_a_failure_of_its_item_alone():
    kept = Kept([1, 2, 3])
    Processes(1).run(work.unpicklable, range(3), kept)
    assert "cannot pickle" in kept.results.pop(1).message
    assert kept.results == {0: 1, 2: 3}


def test_workers_leave_ctrl_c_to_the_parent():
    kept = Kept([0])
    Processes(1).run(work.survives_ctrl_c, [0], kept)
    assert kept.results == {0: "survived"}


def test_workers_live_for_the_whole_sweep_and_are_no_more_than_the_items():
    kept = Kept([0] * 6)
    Processes(2).run(work.own_pid, range(6), kept)
    assert len(set(kept.results.values())) <= 2
    kept = Kept([0, 0])
    Processes(5).run(work.own_pid, range(2), kept)
    assert len(set(kept.results.values())) == 2


@pytest.mark.parametrize("function", ["talk_for_ever", "sleep_after_a_word"])
def test_no_worker_outlives_a_parent_that_is_terminated_or_killed(function):
    number = signal.SIGKILL if function == "talk_for_ever" else signal.SIGTERM
    script = PARENT.format(folder=str(Path(__file__).parent), function=function)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    workers = [psutil.Process(int(process.stdout.readline())) for _ in range(2)]
    process.send_signal(number)
    _, alive = psutil.wait_procs(workers, timeout=10)
    _, errors = process.communicate()
    for worker in alive:
        worker.kill()
    assert not alive
    assert errors == ""
