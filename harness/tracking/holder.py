"""Who holds a store or a sweep, so that a dead owner is told from a slow one.

A pid alone says little: it is given again to others, and on another host it names nothing. So a
holder is a host, the boot of its kernel, the pid with the time it was started, and a heartbeat.
Where its kernel is ours, the process table answers. A process of this host that was last heard
before this boot is gone. Of everything else only the heartbeat tells, and clocks of hosts differ:
one that looks old, or comes from the future, has to be watched.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import escape

MAX_TEXT = 2000  # characters; ours take some 250
MAX_NAME = 255
MAX_PID = 2**31 - 1
MAX_TICKS = 2**63
MAX_TIME_S = 1e11  # since 1970: the year 5138
DEAD_STATES = "ZXx"  # in /proc: ended, and not yet waited for


class Where(NamedTuple):
    """A place where pids mean something; "" for what the system does not tell."""

    host: str
    boot: str
    pids: str
    """The namespace of pids: a container has one of its own."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that holds something.

    ``born`` is in ticks since the boot, None without /proc; ``started`` (of the holding) and
    ``heartbeat`` are seconds since 1970 by the clock of its host.
    """

    host: str
    boot: str
    pids: str
    pid: int
    born: int | None
    started: float
    heartbeat: float

    def to_json(self) -> str:
        """What `parse` reads."""
        return json.dumps(dataclasses.asdict(self))

    def beaten(self, now: float) -> Holder:
        """The same holder, heard of now."""
        return dataclasses.replace(self, heartbeat=round(now, 3))

    def is_same(self, other: Holder | None) -> bool:
        """Whether they are one holding, whatever their heartbeats."""
        return other is not None and other.beaten(self.heartbeat) == self

    def shares_kernel(self) -> bool:
        """Whether it runs, or ran, on the kernel that runs now, be it in another container."""
        here = where()
        return self.boot == here.boot and (self.boot != "" or self.host == here.host)

    def is_here(self) -> bool:
        """Whether its pid is one of those that this process sees."""
        return self.shares_kernel() and self.pids == where().pids

    def is_alive(self, now: float, patience_s: float) -> bool | None:
        """Whether it lives; None where only a heartbeat that is watched can tell.

        A heartbeat of another kernel that is at most ``patience_s`` old is a sign of life.
        """
        if self.is_here():
            return _runs(self.pid, self.born)
        is_earlier_boot = not self.shares_kernel() and self.host == where().host
        if is_earlier_boot and self.heartbeat < _booted_at():
            return False
        return True if abs(now - self.heartbeat) <= patience_s else None

    def named(self) -> str:
        """`process 12`, or `process 12 on host-b`."""
        elsewhere = f" on {escape(self.host)}" if self.host != where().host else ""
        return f"process {self.pid}{elsewhere}"

    def described(self, now: float, patience_s: float) -> str:
        """Who it is, since when, and what it means where it was not heard for long."""
        since = datetime.datetime.fromtimestamp(self.started).astimezone()
        told = f"{self.named()}, since {since.isoformat(' ', 'seconds')}"
        silent_s = now - self.heartbeat
        if silent_s <= patience_s or not self.shares_kernel():  # another kernel has its own clock
            return told
        told += f", whose heartbeat has not moved for {duration(silent_s)}: it may be stopped"
        return f"{told} (`kill -CONT {self.pid}` lets it go on)" if self.is_here() else told


def this_process() -> Holder:
    """This process, from now on."""
    now = round(time.time(), 3)
    stat = _stat(os.getpid())
    return Holder(*where(), os.getpid(), stat[1] if stat else None, now, now)


def where() -> Where:
    """The host, the boot of its kernel, and the namespace of pids, of this process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        pids = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot = pids = ""
    return Where(socket.gethostname()[:MAX_NAME], boot[:MAX_NAME], pids[:MAX_NAME])


def parse(text: str) -> Holder | None:
    """The holder that a text names; None for a text that is not ours."""
    try:
        found = json.loads(text) if len(text) <= MAX_TEXT else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not _is_valid(found):
        return None
    return Holder(**{field.name: found[field.name] for field in dataclasses.fields(Holder)})


def duration(seconds: float) -> str:
    """A length of time as a sentence says it.

    >>> duration(31), duration(300), duration(9000), duration(400_000)
    ('31 s', '5 min', '2.5 h', '4.6 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _is_valid(found: dict[str, Any]) -> bool:
    names = [found.get(key) for key in ("host", "boot", "pids")]
    return (
        all(isinstance(name, str) and len(name) <= MAX_NAME for name in names)
        and _is_number(found.get("pid"), 1, MAX_PID, whole=True)
        and (found.get("born") is None or _is_number(found["born"], 0, MAX_TICKS, whole=True))
        and all(_is_number(found.get(key), 0, MAX_TIME_S) for key in ("started", "heartbeat"))
        and "born" in found
    )


def _is_number(value: object, least: float, most: float, *, whole: bool = False) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return least <= value <= most


def _runs(pid: int, born: int | None) -> bool:
    """Whether the process that was started then is there, and not another with its pid."""
    stat = _stat(pid)
    if stat is None:
        return _exists(pid)
    state, started = stat
    return state not in DEAD_STATES and born in (None, started)


def _exists(pid: int) -> bool:
    """The system's answer without /proc, or where it hides the processes of others."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _stat(pid: int) -> tuple[str, int] | None:
    """The state of a process, and its start in ticks since the boot; None where it is not seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # a program's name may hold anything
    return fields[0], int(fields[19])


def _booted_at() -> float:
    """When this kernel was booted, in seconds since 1970; 0 where the system does not tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0 if clock is None else time.time() - time.clock_gettime(clock)
