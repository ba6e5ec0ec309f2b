"""Faults by enumeration: an action killed before its first change of the disk, its second, ...

The action runs in a fork that is traced by ptrace(2), as strace does it, so that every write is
met, whoever makes it: Python, SQLite, torch's C++ or safetensors' Rust. A write of more than a
byte counts twice: the kill comes before it, or when half of it is done. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fault_cases.rows import Tally, spread
from fault_cases.system_calls import Change, change

TRACEME, CONTINUE_TO_CALL, SET_OPTIONS, GET_CALL = 0, 24, 0x4200, 0x420E
OPTIONS = 0x01 | 0x02 | 0x04 | 0x08 | 0x100000  # mark calls; follow forks and threads; die with us
ENTRY = 1
CALL_STOP = signal.SIGTRAP | 0x80
ALL_THREADS = 0x40000000  # __WALL

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclasses.dataclass(frozen=True)
class Killed:
    """Where a kill came."""

    change: Change
    is_in_half: bool

    def __str__(self) -> str:
        return f"in the middle of {self.change}" if self.is_in_half else f"before {self.change}"


def killed_at(number: int, action: Callable[[], object], folder: Path) -> Killed | None:
    """Do the action in a fork that is killed at its change of that number (from 0) below `folder`.

    None where the action came to its end before. Raises AssertionError where it failed.
    """
    seen = 0

    def at(found: Change) -> Killed | None:
        nonlocal seen
        points = 2 if found.is_halved else 1
        here, seen = number - seen, seen + points
        return Killed(found, here == 1) if 0 <= here < points else None

    return _traced(action, folder.resolve(), at)


def number_of_changes(action: Callable[[], object], folder: Path) -> int:
    """At how many places an action can be killed."""
    seen = 0

    def at(found: Change) -> None:
        nonlocal seen
        seen += 2 if found.is_halved else 1

    _traced(action, folder.resolve(), at)
    return seen


def each_kill(
    prepare: Callable[[], object],
    action: Callable[[], object],
    judge: Callable[[], str | None],
    folder: Path,
    tries: int,
) -> Tally:
    """Kill an action at every place, or at `tries` of them; `judge` says what is wrong after."""
    tally = Tally()
    prepare()
    for number in spread(number_of_changes(action, folder), tries):
        prepare()
        killed = killed_at(number, action, folder)
        tally.add(f"killed {killed}" if killed else "not killed", judge())
    return tally


def _traced(
    action: Callable[[], object], folder: Path, at: Callable[[Change], Killed | None]
) -> Killed | None:
    """Let the action run, ask `at` before each change, and kill where it says so."""
    leader = os.fork()
    if leader == 0:
        _act(action)
    os.waitpid(leader, ALL_THREADS)
    _ptrace(SET_OPTIONS, leader, 0, OPTIONS)
    _ptrace(CONTINUE_TO_CALL, leader)
    killed = None
    while True:
        pid, status = os.waitpid(-leader, ALL_THREADS)
        if not os.WIFSTOPPED(status):
            if pid == leader:
                break
            continue
        found = _entered(pid, folder) if os.WSTOPSIG(status) == CALL_STOP else None
        killed = at(found) if found is not None else None
        if killed is not None:
            if killed.is_in_half:
                killed.change.do_half()
            os.killpg(leader, signal.SIGKILL)
            _reap(leader)
            return killed
        with contextlib.suppress(ProcessLookupError):  # a thread, and its process has just ended
            _ptrace(CONTINUE_TO_CALL, pid, 0, _passed_on(status))
    assert os.waitstatus_to_exitcode(status) == 0, f"the action itself ended with {status}"
    return None


def _act(action: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        _ptrace(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        action()
        code = 0
    except BaseException as error:  # noqa: BLE001 - a child must never return into its parent's code
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.flush()
    finally:
        os._exit(code)


def _entered(pid: int, folder: Path) -> Change | None:
    """The change that a process stands before; None at any other call, and at the end of one."""
    content = ctypes.create_string_buffer(128)
    _ptrace(GET_CALL, pid, len(content), ctypes.addressof(content))
    where, architecture = struct.unpack_from("=B3xI", content)
    if where != ENTRY:
        return None
    number, *arguments = struct.unpack_from("=7Q", content, 24)
    return change(pid, architecture, number, tuple(arguments), folder)


def _passed_on(status: int) -> int:
    """The signal that a stopped process is to get; 0 for the stops that only tracing makes."""
    signum = os.WSTOPSIG(status)
    if signum == CALL_STOP or status >> 16 or signum == signal.SIGSTOP:
        return 0
    return signum


def _reap(leader: int) -> None:
    """Wait until every process of a killed group is gone."""
    while True:
        try:
            os.waitpid(-leader, ALL_THREADS)
        except ChildProcessError:
            return


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), f"ptrace {request:#x}")
