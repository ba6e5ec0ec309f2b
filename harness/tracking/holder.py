"""Who runs a sweep: enough to tell a dead owner from a slow one.

Where its process ids are those that we see, a process is known by its id and its start, for ids
are given again. That is so within one boot of one system, and one of its spaces of process ids:
containers have spaces of their own. Of a process elsewhere only its heartbeat says anything.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from harness.errors import escape

EXPIRES_S = 60.0
"""A heartbeat that is older, by the clock of whoever looks, is watched or told of."""
INTERVAL_S = 10.0
"""Between two heartbeats."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_SPACE = Path("/proc/self/ns/pid")


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that runs a sweep, since `started` (ISO 8601, local time).

    ``boot`` and ``pid_space`` are empty where the system does not tell them; ``born`` and
    ``heartbeat`` are seconds since 1970; ``token`` is this holding's alone.
    """

    host: str
    boot: str
    pid_space: str
    pid: int
    born: float
    started: str
    heartbeat: float
    token: str

    @classmethod
    def this(cls) -> Holder:
        """This process, that begins to hold something now."""
        return cls(
            host=socket.gethostname(),
            boot=_boot(),
            pid_space=_pid_space(),
            pid=os.getpid(),
            born=psutil.Process().create_time(),
            started=datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
            heartbeat=time.time(),
            token=uuid.uuid4().hex,
        )

    @classmethod
    def read(cls, text: str | None) -> Holder | None:
        """From what `to_json` wrote; None for anything else."""
        try:
            found = json.loads(text or "")
            holder = cls(**{field.name: found[field.name] for field in dataclasses.fields(cls)})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        texts = (holder.host, holder.boot, holder.pid_space, holder.started, holder.token)
        numbers = (holder.pid, holder.born, holder.heartbeat)
        sound = all(isinstance(text, str) for text in texts) and all(
            type(number) in (int, float) and math.isfinite(number) for number in numbers
        )
        return holder if sound and type(holder.pid) is int and holder.pid > 0 else None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))

    def beating(self) -> Holder:
        """The same, seen alive now."""
        return dataclasses.replace(self, heartbeat=time.time())

    @property
    def shares_kernel(self) -> bool:
        """Whether it runs, or ran, on the system that this process runs on, since its boot."""
        return bool(self.boot) and self.boot == _boot()

    @property
    def is_here(self) -> bool:
        """Whether its process ids are those that this process sees."""
        return self.shares_kernel and self.pid_space == _pid_space()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to be dead: it ran here and is gone. Of others nothing is known."""
        if not self.is_here:
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.born) > 1.0
        except psutil.NoSuchProcess:
            return True

    def silent_s(self, now: float) -> float:
        """Seconds since its last sign of life; clocks of two machines may differ either way."""
        return abs(now - self.heartbeat)

    def describe(self, silent_s: float) -> str:
        """Who it is, for a message."""
        where = "" if self.host == socket.gethostname() else f" on {escape(self.host)}"
        text = f"process {self.pid}{where}, since {escape(self.started)}"
        if silent_s > EXPIRES_S:
            text += f" (no sign of life for {round(silent_s)} s: it may be stopped)"
        return text


def _boot() -> str:
    return _read(_BOOT_ID.read_text)


def _pid_space() -> str:
    return _read(lambda: str(_PID_SPACE.readlink()))


def _read(what: Callable[[], str]) -> str:
    try:
        return what().strip()
    except OSError:
        return ""
