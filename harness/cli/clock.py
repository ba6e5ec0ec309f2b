"""How fast it goes, how long it will take, and how long it took."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable


class Clock:
    """Steps a second and the time left, from the first progress on.

    What comes before it (a worker that imports torch, say) is not counted.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first: tuple[float, int] | None = None

    def rate(self, steps: int) -> float | None:
        """Steps a second since the first call with any; None until time has passed since."""
        if self._first is None:
            if steps:
                self._first = (self._now(), steps)
            return None
        began, at = self._first
        seconds = self._now() - began
        return (steps - at) / seconds if seconds > 0 and steps > at else None

    def time_left(self, steps: int, of: int) -> str:
        """The time that the rest takes at that rate, as m:ss or h:mm:ss; empty until known."""
        rate = self.rate(steps)
        if rate is None:
            return ""
        minutes, seconds = divmod(round((of - steps) / rate), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def local_time(milliseconds: int) -> str:
    """A time of the store, milliseconds since 1970, as the clock on the wall showed it."""
    return f"{datetime.datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float | None) -> str:
    """`0.41 s`, `3:07`, `1:02:03`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
