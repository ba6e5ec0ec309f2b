"""A thread that says, every few seconds, that this process is alive."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def heartbeat(beat: Callable[[], None], interval_s: float) -> Iterator[None]:
    """Call ``beat`` every ``interval_s`` seconds while the block runs, the first time after one.

    ``beat`` runs in a thread of its own and must not raise: a heart that misses a beat is no
    reason to stop a sweep. A process that is forked from this one has no such thread.
    """
    over = threading.Event()

    def run() -> None:
        while not over.wait(interval_s):
            beat()

    thread = threading.Thread(target=run, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
