"""Ctrl-C and SIGTERM as one exception that never cuts through a write.

Inside `installed()` the first signal raises `Interrupted` in the main thread: at once while a run
trains, or at the end of the `shielded()` block that is being executed, so that a record is
written whole or not at all. A second signal ends the process on the spot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupted(BaseException):
    """A signal asked to stop; not an Exception, so that no handler of failures catches it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """What a shell expects: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signum


class _State:
    shields = 0
    pending: int | None = None
    seen = 0


def _handle(signum: int, _frame: FrameType | None) -> None:
    _State.seen += 1
    if _State.seen > 1:
        os._exit(128 + signum)
    if _State.shields:
        _State.pending = signum
        return
    raise Interrupted(signum)


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Handle SIGINT and SIGTERM this way; the handlers before are put back at the end.

    Does nothing outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.shields, _State.pending, _State.seen = 0, None, 0
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Hold a signal back until the block is done."""
    _State.shields += 1
    try:
        yield
    finally:
        _State.shields -= 1
    if not _State.shields and _State.pending is not None:
        signum, _State.pending = _State.pending, None
        raise Interrupted(signum)
