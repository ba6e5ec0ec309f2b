import signal
import subprocess
import sys
import threading
import time

import pytest

from harness import interrupts
from harness.interrupts import (
    Interrupted,
    deferred,
    give_way,
    installed,
    is_requested,
    shielded,
)

BOTH = pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)

SECOND_SIGNAL = """
import signal
from harness.interrupts import installed, shielded
with installed(), shielded():
    signal.raise_signal(signal.SIGINT)
    print("held back", flush=True)
    signal.raise_signal(signal.{name})
    print("never")
"""


@pytest.fixture(autouse=True)
def handlers_of_the_tests():
    """A test that fails must not leave its handlers to the others."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@BOTH
def test_a_signal_raises_at_once_and_says_what_a_shell_expects(number, exit_code):
    done = []

    def work():
        signal.raise_signal(number)
        done.append("after")

    with pytest.raises(Interrupted, match=signal.Signals(number).name) as caught, installed():
        work()
    assert not done
    assert caught.value.exit_code == exit_code


@BOTH
def test_a_signal_is_held_back_to_the_end_of_the_shielded_block(number, exit_code):
    done = []

    def work():
        with shielded():
            signal.raise_signal(number)
            done.append("written whole")
        done.append("after")

    with pytest.raises(Interrupted) as caught, installed():
        work()
    assert done == ["written whole"]
    assert caught.value.exit_code == exit_code


def test_of_shielded_blocks_in_each_other_the_outermost_counts():
    done = []

    def work():
        with shielded():
            signal.raise_signal(signal.SIGINT)
        done.append("still shielded")

    with pytest.raises(Interrupted), installed(), shielded():
        work()
    assert done == ["still shielded"]


def test_a_shielded_block_without_a_signal_just_runs():
    with installed(), shielded():
        pass


def test_a_failure_inside_a_shielded_block_is_not_replaced_by_the_signal():
    def work():
        signal.raise_signal(signal.SIGTERM)
        raise OSError("disk is full")

    with installed():
        with pytest.raises(OSError, match="disk"), shielded():
            work()
        with pytest.raises(Interrupted), shielded():
            pass  # the signal comes out at the next block


def test_it_is_no_failure_that_a_handler_of_exceptions_would_catch():
    assert not issubclass(Interrupted, Exception)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_second_signal_ends_the_process_on_the_spot_even_when_shielded(name):
    script = SECOND_SIGNAL.format(name=name)
    call = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert call.stdout == "held back\n"
    assert call.returncode == 128 + getattr(signal, name)
    assert call.stderr == ""


def test_the_handlers_before_are_put_back_after_success_failure_and_signal():
    def handler(number, frame):
        raise AssertionError

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with installed():
        assert signal.getsignal(signal.SIGINT) is not handler
    for error in (ValueError, None):
        with pytest.raises(error or Interrupted), installed():
            signal.raise_signal(signal.SIGINT) if error is None else int("x")
        assert signal.getsignal(signal.SIGINT) is handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_signal_of_an_earlier_call_does_not_count_for_the_next():
    for _ in range(2):
        with pytest.raises(Interrupted), installed():
            signal.raise_signal(signal.SIGINT)
    with installed():
        pass


def test_outside_the_main_thread_nothing_is_installed():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with installed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@BOTH
def test_in_a_deferred_block_a_signal_waits_until_way_is_given(number, exit_code):
    done = []

    def work():
        with deferred():
            give_way()
            assert not is_requested()
            signal.raise_signal(number)
            with shielded():
                assert is_requested()
            done.append("saved")
            give_way()
            done.append("after")

    with pytest.raises(Interrupted) as caught, installed():
        work()
    assert done == ["saved"]
    assert caught.value.exit_code == exit_code


def test_a_deferred_block_in_which_nobody_gives_way_ends_with_the_signal():
    done = []

    def work():
        with deferred():
            signal.raise_signal(signal.SIGTERM)
            done.append("came to its end")
        done.append("after")

    with pytest.raises(Interrupted), installed():
        work()
    assert done == ["came to its end"]


def test_a_signal_breaks_into_a_deferred_block_that_takes_too_long(monkeypatch):
    monkeypatch.setattr(interrupts, "GRACE_S", 0.1)
    began = time.monotonic()

    def work():
        with deferred():
            signal.raise_signal(signal.SIGINT)
            while time.monotonic() - began < 30:
                time.sleep(0.01)

    with pytest.raises(Interrupted, match="SIGINT"), installed():
        work()
    assert time.monotonic() - began < 20


def test_a_write_is_whole_even_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(interrupts, "GRACE_S", 0.1)
    done = []

    def work():
        with shielded():
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.3)
            done.append("written whole")
        done.append("after")

    with pytest.raises(Interrupted), installed(), deferred():
        work()
    assert done == ["written whole"]


def test_the_timer_of_a_signal_that_was_heard_in_time_does_nothing(monkeypatch):
    monkeypatch.setattr(interrupts, "GRACE_S", 0.1)

    def work():
        with deferred():
            signal.raise_signal(signal.SIGINT)
            give_way()

    with installed():
        with pytest.raises(Interrupted):
            work()
        time.sleep(0.3)
