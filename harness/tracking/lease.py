"""A lease: who holds something writes itself where all can read it, and is heard every 10 s.

A thread writes the heartbeat, so a process that trains for hours between two records is heard all
the same. An error of it is not an error of the sweep: the next beat tries again. Workers are
spawned, so they have neither the thread nor its locks.

A place is read and written, and no more: neither a file on a network disk nor MLflow can compare
and swap. So whoever writes itself reads again a little later, and of two at once the one that was
overwritten has lost. One whose own writing was slow may have overwritten a holder that had read
again already: it waits until that one must have noticed.

Whoever is silent for too long (stopped, its host suspended) may be taken for dead. So before each
record the holder asks `require`, which renews a lease that is old and raises where another has it.
That term is shorter than what a taker watches, so a run is never written by both.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from harness.errors import StoreError, StoreInUse
from harness.tracking import holder as holders
from harness.tracking.holder import Holder
from harness.tracking.tell import Tell


@dataclass(frozen=True)
class Times:
    """How long things take, in seconds."""

    interval_s: float = 10.0
    """Between two heartbeats."""
    settle_s: float = 1.0
    """From writing oneself to reading again."""
    poll_s: float = 1.0
    """Between two looks at a lease that is waited for."""

    @property
    def term_s(self) -> float:
        """How old a lease may be when its holder writes."""
        return 2 * self.interval_s

    @property
    def patience_s(self) -> float:
        """How long a heartbeat that stands still is watched before its holder is taken for dead."""
        return 2.5 * self.interval_s


TIMES = Times()
_HELD: set[Holder] = set()
"""This process's own leases and claims, with a heartbeat of 0."""
MAX_READS = 3


class Place(Protocol):
    """Where a lease lies: one text, "" when nobody has it. Methods raise StoreError."""

    held: str
    """What is held, as the start of a sentence: `mlruns: this store`."""
    is_settled_at_once: bool
    """Whether a lock sees to it that nobody else writes at the same time."""

    def read(self) -> str:
        """The text that stands there."""

    def write(self, text: str) -> None:
        """Put a text in its place, whole."""

    def wake(self) -> None:
        """Write something that changes nothing, so that the writing that counts is not the first.

        A server that has just come back does its first in seconds.
        """

    def heeds(self, found: Holder | None) -> bool:
        """Whether a holder that left its name there can be one; None is one that is not known."""


class Lease:
    """A lease that is held."""

    def __init__(self, place: Place, mine: Holder) -> None:
        self._place, self._mine = place, mine
        self._renewed_at = _uptime()
        self._lost = ""
        self._lock, self._released = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Raise StoreInUse where another has taken the lease over; call it before each record."""
        if self._is_old():
            self._beat()
        if self._lost:
            raise StoreInUse(self._lost)

    def release(self) -> None:
        """Stop the heartbeat, and empty the place unless another has it.

        What cannot be emptied is soon seen to be a dead process's.
        """
        self._released.set()
        _HELD.discard(self._mine.beaten(0))
        if self._lock.acquire(timeout=TIMES.settle_s):  # not where a beat hangs on the network
            with contextlib.suppress(StoreError):
                if self._mine.is_same(holders.parse(self._place.read())):
                    self._place.write("")
            self._lock.release()

    def _beat_on(self) -> None:
        while not self._released.wait(TIMES.interval_s):
            self._beat()

    def _beat(self) -> None:
        # Whatever goes wrong: a heartbeat that cannot be written is not the sweep's error.
        with self._lock, contextlib.suppress(Exception):
            if not self._released.is_set() and not self._lost:
                self._renew()

    def _renew(self) -> None:
        """Write a heartbeat, unless another has the lease, or may have had it meanwhile."""
        if self._is_old():
            self._place.wake()
        began, found = self._read_quickly()
        if not self._mine.is_same(found) and (found is not None or self._is_old()):
            self._lose(found)  # within the term nobody takes over: it was emptied by hand
            return
        self._place.write(self._mine.beaten(time.time()).to_json())
        if self._is_old():
            took_s = _uptime() - began
            if took_s > TIMES.settle_s:  # what was there right between?
                self._place.write("")  # where another lives, it writes itself again
                self._lost = self._in_doubt(took_s)
                return
            time.sleep(TIMES.settle_s)
            found = holders.parse(self._place.read())
            if not self._mine.is_same(found):
                self._lose(found)
                return
        self._renewed_at = began

    def _read_quickly(self) -> tuple[float, Holder | None]:
        """Who is in the place, and when that was asked; again where the answer may be old."""
        for _ in range(MAX_READS):
            began = _uptime()
            found = holders.parse(self._place.read())
            if _uptime() - began <= TIMES.settle_s:
                break
        return began, found

    def _is_old(self) -> bool:
        return _uptime() - self._renewed_at > TIMES.term_s

    def _in_doubt(self, took_s: float) -> str:
        return (
            f"{self._place.held} was not renewed in time, for reading and writing its lease took "
            f"{took_s:.1f} s, in which another process may have had it; the same command goes on"
        )

    def _lose(self, found: Holder | None) -> None:
        who = found.named() if found else "another process"
        self._lost = (
            f"{self._place.held} was taken over by {who}, for this process was silent for too "
            "long; what is not recorded yet, that one does"
        )


def take(place: Place, *, wait: bool, tell: Tell) -> Lease:
    """Take the lease of a place; with `wait`, wait until its holder lets go of it or dies.

    Raises StoreInUse, with the holder's pid, where a living process has it.
    """
    mine, told, tell_once = holders.this_process(), False, _once(tell)
    while True:
        began, text = _uptime(), place.read()
        heeded = bool(text) and place.heeds(holders.parse(text))
        if heeded and _lives(place, text, tell_once):
            text = place.read()  # what was watched has moved
            if text and not wait:
                raise StoreInUse(f"{in_use(place.held, text)}; {ADVICE}")
            if text and not told:
                tell(f"{in_use(place.held, text)}: waiting until it ends")
                told = True
            time.sleep(TIMES.poll_s)
            continue
        _HELD.add(mine.beaten(0))
        place.write(mine.beaten(time.time()).to_json())
        if not place.is_settled_at_once:
            is_slow = _uptime() - began > TIMES.settle_s
            time.sleep(TIMES.patience_s if is_slow else TIMES.settle_s)
        if place.is_settled_at_once or mine.is_same(holders.parse(place.read())):
            return Lease(place, mine)


ADVICE = "wait until it ends (--wait does), or stop it"


def in_use(held: str, text: str) -> str:
    """That something is in use, by whom, and since when, as far as the text says."""
    found = holders.parse(text)
    who = found.described(time.time(), TIMES.patience_s) if found else "another process"
    return f"{held} is in use by {who}"


def _lives(place: Place, text: str, tell: Tell) -> bool:
    """Whether the holder that a text names lives; what it alone cannot tell is watched."""
    found = holders.parse(text)
    if found is not None and _is_left_over(found):
        return False
    alive = found.is_alive(time.time(), TIMES.patience_s) if found else None
    if alive is not None:
        return alive
    who = found.named() if found else "a process that left no name"
    tell(f"{place.held} was left by {who}: watching for {TIMES.patience_s:g} s whether it lives")
    until = _uptime() + TIMES.patience_s
    while _uptime() < until:
        time.sleep(min(TIMES.poll_s, TIMES.interval_s))
        if place.read() != text:
            return True
    return False


def _is_left_over(found: Holder) -> bool:
    """Whether this process held it before, and could not reach the place to empty it."""
    return found.is_here() and found.pid == os.getpid() and found.beaten(0) not in _HELD


def _once(tell: Tell) -> Tell:
    """Tells the same text once: who waits for a clock that differs watches again and again."""
    told: set[str] = set()

    def tell_new(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    return tell_new


def _uptime() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
