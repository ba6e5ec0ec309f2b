"""What a fork is asked and how a command in a fork ends, on which all faults rest."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from fault_cases.processes import Command, Failed, asked, run

from harness.errors import StoreMissing


def _missing() -> None:
    raise StoreMissing("no store at x")


def test_a_question_is_answered_by_what_it_returns():
    assert asked(lambda: {"error": 1}) == {"error": 1}
    assert asked(os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("question", "told", "is_ours"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero", False),
        (_missing, "StoreMissing: no store at x", True),
        (lambda: sys.exit(3), "SystemExit: 3", False),
        (lambda: object(), "not JSON serializable", False),
        (lambda: os._exit(0), "it died", False),
    ],
)
def test_a_question_that_fails_is_raised_with_its_words(question, told, is_ours):
    with pytest.raises(Failed, match=told) as failed:
        asked(question)
    assert failed.value.is_ours == is_ours


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: os.write(1, b"printed"), 0),
        (lambda: sys.exit(4), 4),
        (lambda: 1 / 0, 1),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM),
    ],
)
def test_a_command_ends_with_its_code_and_what_it_printed(work, code, tmp_path):
    ended = run(work, tmp_path)
    assert ended.code == code
    assert ended.is_clear == ("ZeroDivisionError" not in ended.output)
    assert ("printed" in ended.output) == (code == 0)


def test_a_command_is_killed_also_before_it_leads_a_group_of_its_own(tmp_path):
    began = time.monotonic()
    for _ in range(20):
        Command(lambda: time.sleep(60), tmp_path).kill()
    assert time.monotonic() - began < 30
