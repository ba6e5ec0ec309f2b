"""Ctrl-C and SIGTERM as one exception that never cuts through a write.

Inside `installed()` the first signal raises `Interrupted` in the main thread: at once, or at the
end of the `shielded()` block that is being executed, so that a record is written whole or not at
all. In a `deferred()` block, where runs train, the signal waits for `give_way`, which is called
between two steps once what is worth saving is saved; where nobody calls it in time, the signal
breaks in. A second signal ends the process on the spot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

GRACE_S = 3.0  # of the 5 s in which a stopped call has to leave


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
    deferring = False
    pending: int | None = None
    seen = 0
    timer: threading.Timer | None = None
    is_late = False


def _handle(signum: int, _frame: FrameType | None) -> None:
    if _State.is_late:  # the timer's, not the user's
        _State.is_late = _State.deferring = False
        _raise_pending()
        return
    _State.seen += 1
    if _State.seen > 1:
        os._exit(128 + signum)
    _State.pending = signum
    if _State.deferring:
        _State.timer = threading.Timer(GRACE_S, _remind, [signum])
        _State.timer.daemon = True
        _State.timer.start()
    else:
        _raise_pending()


def _remind(signum: int) -> None:
    """Make the main thread run the handler again; the timer is a thread, which cannot raise there.

    Timers of the system are for others: there is one a process.
    """
    _State.is_late = True
    signal.raise_signal(signum)


def _stop_timer() -> None:
    if _State.timer is not None:
        _State.timer.cancel()
        _State.timer = None
    _State.is_late = False


def _raise_pending() -> None:
    """Raise what has come, unless it has to wait for the end of a block."""
    if _State.pending is not None and not _State.shields and not _State.deferring:
        signum, _State.pending = _State.pending, None
        raise Interrupted(signum)


@contextlib.contextmanager
def installed(signals: Iterable[int] = (signal.SIGINT, signal.SIGTERM)) -> Iterator[None]:
    """Handle the signals this way; the handlers before are put back at the end.

    Does nothing outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.shields, _State.deferring, _State.pending, _State.seen = 0, False, None, 0
    _State.is_late = False
    before = {number: signal.getsignal(number) for number in signals}
    for number in before:
        signal.signal(number, _handle)
    try:
        yield
    finally:
        _stop_timer()
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
    _raise_pending()


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Hold a signal back until `give_way` or the end of the block, for `GRACE_S` at most."""
    _State.deferring = True
    try:
        yield
    finally:
        _State.deferring = False
        _stop_timer()
    _raise_pending()


def break_in() -> None:
    """Raise the `Interrupted` that waits, whatever holds it back: for long waits between writes."""
    if _State.pending is not None:
        signum, _State.pending = _State.pending, None
        raise Interrupted(signum)


def is_requested() -> bool:
    """Whether a signal waits in a `deferred` block: save what is worth it, then `give_way`."""
    return _State.deferring and _State.pending is not None


def give_way() -> None:
    """Raise the `Interrupted` that waits, if one does."""
    if is_requested():
        _State.deferring = False
        _raise_pending()
