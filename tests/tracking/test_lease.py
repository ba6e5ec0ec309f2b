import dataclasses
import os
import threading
import time

import pytest

from harness.errors import StoreError, StoreInUse
from harness.tracking import lease
from harness.tracking.holder import parse, this_process
from harness.tracking.lease import Times, take


class Board:
    """A place that is a text in memory."""

    held, is_settled_at_once = "board: this", False

    def __init__(self, text=""):
        self.text, self.is_broken = text, False

    def read(self):
        if self.is_broken:
            raise RuntimeError("no network")
        return self.text

    def write(self, text):
        self.text = text

    def wake(self):
        pass

    def heeds(self, found):
        return True


@pytest.fixture(autouse=True)
def times(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=0.1, settle_s=0.05, poll_s=0.02))


def taken(place, *, wait=False):
    told = []
    held = take(place, wait=wait, tell=told.append)
    return held, told


def far(**changes):
    found = dataclasses.replace(this_process(), host="far", boot="b", pids="", pid=7)
    return dataclasses.replace(found, **changes)


def wait_for(what):
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_lease_is_written_beats_and_is_emptied():
    board = Board()
    held, told = taken(board)
    first = parse(board.text)
    assert first.pid == os.getpid()
    wait_for(lambda: parse(board.text).heartbeat > first.heartbeat)
    assert parse(board.text).is_same(first)
    held.require()
    held.release()
    assert (board.text, told) == ("", [])
    time.sleep(0.25)
    assert board.text == ""  # no beat comes after


def test_a_holder_that_lives_is_named():
    board = Board(far().to_json())
    with pytest.raises(
        StoreInUse, match=r"board: this is in use by process 7 on far, since 20.*; wait until it"
    ):
        taken(board)


def test_a_holder_whose_clock_is_wrong_is_seen_to_live():
    board = Board(far(heartbeat=1.0).to_json())
    threading.Timer(0.1, lambda: board.write(far(heartbeat=2.0).to_json())).start()
    with pytest.raises(StoreInUse, match="process 7 on far"):
        taken(board)


def test_who_waits_for_a_holder_whose_clock_is_wrong_is_told_once(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=0.4, settle_s=0.05, poll_s=0.02))
    board = Board(far(heartbeat=1.0).to_json())

    def beat():
        for heartbeat in range(2, 8):
            time.sleep(0.1)
            board.write(far(heartbeat=float(heartbeat)).to_json())
        board.write("")

    beating = threading.Thread(target=beat)
    beating.start()
    held, told = taken(board, wait=True)
    beating.join()
    held.release()
    watched, waited = told
    assert watched.endswith(": watching for 1 s whether it lives")
    assert waited.endswith(": waiting until it ends")
    assert "may be stopped" not in waited


def test_what_this_process_could_not_empty_does_not_keep_it_out():
    board = Board()
    held, _ = taken(board)
    left = board.text
    held.release()
    board.write(left)
    again, told = taken(board)
    assert told == []
    with pytest.raises(StoreInUse, match="board: this is in use by process"):
        taken(board)
    again.release()


@pytest.mark.parametrize("left", [far(heartbeat=1.0).to_json(), "garbage"])
def test_what_does_not_move_while_it_is_watched_is_taken_over(left):
    board = Board(left)
    held, (note,) = taken(board)
    held.release()
    assert note.endswith(": watching for 0.25 s whether it lives")


def test_a_dead_process_of_this_host_is_not_watched():
    mine = this_process()
    held, told = taken(Board(dataclasses.replace(mine, born=mine.born - 1).to_json()))
    held.release()
    assert told == []


def test_a_taker_waits_until_the_holder_lets_go():
    board = Board()
    first, _ = taken(board)
    threading.Timer(0.2, first.release).start()
    second, (note,) = taken(board, wait=True)
    second.release()
    assert note.endswith(": waiting until it ends")


def test_of_many_takers_at_once_one_has_it(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(settle_s=0.5))
    board, outcomes = Board(), []
    gate = threading.Barrier(8)

    def try_it():
        gate.wait()
        try:
            outcomes.append(taken(board)[0])
        except StoreInUse:
            outcomes.append(None)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, outcomes)
    winner.require()
    winner.release()


def test_a_taker_whose_writing_is_slow_lets_the_other_notice_first():
    board, slow = Board(), Board()
    first, _ = taken(board)

    def write(text):
        time.sleep(0.1)  # it read before the first one wrote
        board.write(text)

    slow.read = lambda: board.text if slow.text else ""
    slow.write = lambda text: (write(text), setattr(slow, "text", text))
    second, _ = taken(slow)
    with pytest.raises(StoreInUse, match="was taken over by process"):
        first.require()
    second.require()
    first.release()
    assert board.text  # which is the other's
    second.release()


@pytest.mark.parametrize(
    ("left", "who"),
    [
        (far().to_json(), "process 7 on far"),
        ("", "another process"),
        ("garbage", "another process"),
    ],
    ids=["lives", "came and went", "unknown"],
)
def test_a_holder_that_stood_still_asks_before_it_writes(monkeypatch, left, who):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=60))
    monkeypatch.setattr(Board, "is_settled_at_once", True)
    board = Board()
    held, _ = taken(board)
    board.text = left
    held.require()  # nobody is asked so soon after a heartbeat
    now = lease._uptime()
    monkeypatch.setattr(lease, "_uptime", lambda: now + 121)
    with pytest.raises(StoreInUse, match=f"taken over by {who}, for this process was"):
        held.require()
    held.release()
    assert board.text == left


def test_a_place_that_was_away_is_woken_before_the_writing_that_counts(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=60, settle_s=0.01))
    board, asked = Board(), []
    held, _ = taken(board)
    now = [lease._uptime()]
    monkeypatch.setattr(lease, "_uptime", lambda: now[0])

    def first_is_slow(name):
        def ask(*args):
            now[0] += 0 if asked else 5
            asked.append(name)
            return getattr(Board, name)(board, *args)

        return ask

    for name in ("wake", "read", "write"):
        monkeypatch.setattr(board, name, first_is_slow(name))
    held.require()
    assert asked == []  # the lease is young
    now[0] += 121
    held.require()
    assert asked == ["wake", "read", "write", "read"]
    held.release()


def test_a_holder_that_stood_still_in_the_middle_of_a_heartbeat_lets_go(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=60, settle_s=0.01))
    board = Board()
    held, _ = taken(board)
    now = [lease._uptime() + 121]
    monkeypatch.setattr(lease, "_uptime", lambda: now[0])

    def write(text):
        now[0] += 100  # another came meanwhile, and has gone
        board.text = text

    monkeypatch.setattr(board, "write", write)
    told = r"took 100\.0 s, in which another process may have had it; the same command goes on"
    with pytest.raises(StoreInUse, match=told):
        held.require()
    held.release()
    assert board.text == ""


def test_a_holder_that_stood_still_goes_on_where_nobody_came(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=60, settle_s=0.01))
    held, _ = taken(Board())
    now = lease._uptime() + 1000
    monkeypatch.setattr(lease, "_uptime", lambda: now)
    held.require()
    held.release()


def test_a_heartbeat_that_fails_is_no_error_of_the_sweep():
    board = Board()
    held, _ = taken(board)
    board.is_broken = True
    time.sleep(0.3)
    held.require()
    board.is_broken = False
    first = parse(board.text)
    wait_for(lambda: parse(board.text).heartbeat > first.heartbeat)
    held.release()


def test_a_lease_that_is_emptied_by_hand_is_written_again(monkeypatch):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=0.1, settle_s=0))
    monkeypatch.setattr(Times, "term_s", 60)
    board = Board()
    held, _ = taken(board)
    board.text = ""
    wait_for(lambda: board.text)
    held.require()
    held.release()


def test_a_lease_that_cannot_be_emptied_is_no_error_either(monkeypatch):
    board = Board()
    held, _ = taken(board)

    def refuse():
        raise StoreError("no network")

    monkeypatch.setattr(board, "read", refuse)
    held.release()
