import signal
import subprocess
import sys
import threading

import pytest

from harness.interrupts import Interrupted, installed, shielded

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
