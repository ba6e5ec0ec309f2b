"""Faults by enumeration: an action killed before its first change of the disk, its second, ...

A write of more than a byte counts twice: the kill comes before it, or when half of it is done.
"""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from fault_cases.rows import Tally, spread
from fault_cases.system_calls import Change
from fault_cases.tracing import traced


@dataclasses.dataclass(frozen=True)
class Killed:
    """Where a kill came."""

    change: Change
    is_in_half: bool

    def __str__(self) -> str:
        return f"in the middle of {self.change}" if self.is_in_half else f"before {self.change}"


def each_kill(
    prepare: Callable[[], object],
    action: Callable[[], object],
    judge: Callable[[], str | None],
    folder: Path,
    tries: int,
) -> Tally:
    """Kill an action at every place, or at `tries` of them; `judge` says what is wrong after."""
    tally = Tally()
    for killed in kills(prepare, action, folder, tries):
        tally.add(f"killed {killed}" if killed else "not killed", judge())
    return tally


def kills(
    prepare: Callable[[], object], action: Callable[[], object], folder: Path, tries: int
) -> Iterator[Killed | None]:
    """The same kills one by one, for who looks at what is left after each."""
    prepare()
    for number in spread(number_of_places(action, folder), tries):
        prepare()
        yield killed_at(number, action, folder)


def killed_at(number: int, action: Callable[[], object], folder: Path) -> Killed | None:
    """Do the action in a fork that is killed at its place of that number (from 0) below `folder`.

    None where the action came to its end before. Raises AssertionError where it failed.
    """
    seen = 0
    killed: Killed | None = None

    def before(change: Change) -> bool:
        nonlocal seen, killed
        here, seen = number - seen, seen + places(change)
        if not 0 <= here < places(change):
            return False
        killed = Killed(change, here == 1)
        if killed.is_in_half:
            change.do_half()
        return True

    code = traced(action, folder.resolve(), before)
    assert code == (-signal.SIGKILL if killed else 0), f"the action itself ended with {code}"
    return killed


def number_of_places(action: Callable[[], object], folder: Path) -> int:
    """At how many places the action can be killed; it is done."""
    seen = 0

    def before(change: Change) -> bool:
        nonlocal seen
        seen += places(change)
        return False

    code = traced(action, folder.resolve(), before)
    assert code == 0, f"the action itself ended with {code}"
    return seen


def places(change: Change) -> int:
    """How often a change counts."""
    return 2 if change.can_be_halved else 1
