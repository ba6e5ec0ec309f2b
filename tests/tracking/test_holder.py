import dataclasses
import json
import os
import subprocess
import time

import pytest

from harness.tracking import holder
from harness.tracking.holder import Where, parse, this_process

PATIENCE_S = 25.0


def elsewhere(**changes):
    """A process of another host, heard of now."""
    far = dataclasses.replace(this_process(), host="far", boot="b", pids="", pid=7)
    return dataclasses.replace(far, **changes)


def is_alive(found):
    return found.is_alive(time.time(), PATIENCE_S)


def test_a_holder_is_read_as_it_was_written():
    mine = this_process()
    assert parse(mine.to_json()) == mine
    assert mine.is_same(parse(mine.beaten(time.time() + 10).to_json()))


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{}", "\0", "[" * 1999, "9" * 1999, " " * 5000, '{"pid": 1}'),
        *(
            json.dumps({**dataclasses.asdict(this_process()), **change})
            for change in (
                *({"pid": 0}, {"pid": -1}, {"pid": True}, {"pid": 2**31}, {"pid": "1"}),
                *({"born": 0.5}, {"born": -1}, {"started": 1e300}, {"heartbeat": float("nan")}),
                *({"heartbeat": None}, {"host": 1}, {"host": "h" * 300}, {"boot": None}),
            )
        ),
    ],
)
def test_a_text_that_is_not_ours_names_nobody(text):
    assert parse(text) is None


def test_a_process_that_runs_is_alive_however_old_its_heartbeat_is():
    assert is_alive(dataclasses.replace(this_process(), heartbeat=0.0)) is True


def test_a_process_that_was_killed_is_dead_also_while_nobody_has_waited_for_it():
    process = subprocess.Popen(["sleep", "60"])
    held = dataclasses.replace(this_process(), pid=process.pid, born=holder._stat(process.pid)[1])
    assert is_alive(held) is True
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(held) is False
    process.wait()
    assert is_alive(held) is False


def test_another_process_with_the_same_pid_is_not_the_holder():
    mine = this_process()
    assert is_alive(dataclasses.replace(mine, born=mine.born - 1)) is False


def test_where_proc_says_nothing_the_pid_alone_decides(monkeypatch):
    monkeypatch.setattr(holder, "_stat", lambda _pid: None)
    assert is_alive(this_process()) is True
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert is_alive(dataclasses.replace(this_process(), pid=process.pid)) is False


def test_a_process_of_this_host_that_was_last_heard_before_the_boot_is_dead():
    before = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - 5
    left = dataclasses.replace(this_process(), boot="an earlier one", heartbeat=before)
    assert is_alive(left) is False


def test_a_machine_of_the_same_name_is_another_one():
    assert is_alive(dataclasses.replace(this_process(), boot="another one")) is True


def test_of_another_host_or_container_the_heartbeat_tells_if_it_is_fresh():
    for found in (elsewhere(), dataclasses.replace(this_process(), pids="pid:[1]")):
        assert is_alive(found) is True
        for shift_s in (-26, 26):  # a clock may be ahead, too
            assert is_alive(found.beaten(time.time() + shift_s)) is None


def test_a_holder_is_described_by_what_the_reader_needs():
    now = time.time()
    mine, pid = this_process(), os.getpid()
    assert mine.described(now, PATIENCE_S).startswith(f"process {pid}, since 20")
    assert (
        mine.beaten(now - 300)
        .described(now, PATIENCE_S)
        .endswith(
            ", whose heartbeat has not moved for 5 min: it may be stopped "
            f"(`kill -CONT {pid}` lets it go on)"
        )
    )
    far = elsewhere(host="far\x1b[2J", heartbeat=now - 9000).described(now, PATIENCE_S)
    assert far.startswith("process 7 on far\\x1b[2J, since ")
    assert "heartbeat" not in far  # its clock may be another


def test_a_system_without_proc_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(holder, "where", lambda: Where("mac", "", ""))
    assert this_process().is_here()
    assert not dataclasses.replace(this_process(), host="another").shares_kernel()
