"""A fork that stands still before each of its changes of the disk, by ptrace(2), as strace does it.

So every change is met, whoever makes it: Python, SQLite, torch's C++ or safetensors' Rust; those
of the processes that it starts too. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path

from fault_cases.call_filter import stop_at_changes
from fault_cases.processes import forked
from fault_cases.system_calls import Change, changed_file

TRACEME, CONTINUE, SET_OPTIONS, GET_CALL = 0, 7, 0x4200, 0x420E
# Forks, threads and new programs are followed, the filter's calls stop, and all die with us.
OPTIONS = 0x02 | 0x04 | 0x08 | 0x10 | 0x80 | 0x100000
AT_CALL = signal.SIGTRAP | 7 << 8  # PTRACE_EVENT_SECCOMP
ALL_THREADS = 0x40000000  # __WALL

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def traced(action: Callable[[], object], folder: Path, before: Callable[[Change], bool]) -> int:
    """Do the action in a fork, and call `before` at each change below `folder` (a resolved path).

    Where it returns True, all processes of the fork are killed. The exit code, negative for a
    signal, as in `subprocess`. What the action started and left running is killed.
    """
    leader = forked(lambda: _act(action))
    os.waitpid(leader, ALL_THREADS)
    _ptrace(SET_OPTIONS, leader, 0, OPTIONS)
    _ptrace(CONTINUE, leader)
    code = None
    while code is None:
        pid, status = os.waitpid(-leader, ALL_THREADS)
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status) if pid == leader else None
            continue
        with contextlib.suppress(ProcessLookupError):  # a thread, and its process has just ended
            found = _about_to(pid, leader, folder) if status >> 8 == AT_CALL else None
            if found is not None and before(found):
                code = -signal.SIGKILL
            else:
                _ptrace(CONTINUE, pid, 0, _passed_on(status))
    _end(leader)
    return code


def _act(action: Callable[[], object]) -> None:
    os.setpgid(0, 0)
    _ptrace(TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    stop_at_changes()
    action()


def _about_to(pid: int, leader: int, folder: Path) -> Change | None:
    """The change below `folder` that a process stands before; None where it is another."""
    content = ctypes.create_string_buffer(128)
    _ptrace(GET_CALL, pid, len(content), ctypes.addressof(content))
    (architecture,) = struct.unpack_from("=I", content, 4)
    number, *arguments = struct.unpack_from("=7Q", content, 24)
    found = changed_file(pid, architecture, number, tuple(arguments))
    if found is None or not found[1].is_relative_to(folder):
        return None
    kind, file = found
    return Change(pid, leader, kind, tuple(arguments), file)


def _passed_on(status: int) -> int:
    """The signal that a stopped process is to get; 0 for the stops that only tracing makes."""
    signum = os.WSTOPSIG(status)
    return 0 if status >> 16 or signum == signal.SIGSTOP else signum


def _end(leader: int) -> None:
    """Kill what is left of a group, and wait until every process of it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-leader, ALL_THREADS)


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), f"ptrace {request:#x}")
