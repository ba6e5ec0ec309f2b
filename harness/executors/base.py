"""What an executor is: calls one function on many items and reports what comes back.

Executors know callables and items, never experiments. The function runs anywhere; every callback
runs in the process that called `run`, one at a time, so that process alone writes.
"""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from harness.errors import DiskRefused, HarnessError

Emit = Callable[[Any], Any]
"""Tells an event; in this process it returns what `on_event` did, from a worker None."""
Function = Callable[[Any, Emit], Any]


@dataclasses.dataclass(frozen=True)
class Failure:
    """A call that raised, or whose process died: the last line, and the whole traceback.

    ``disk_refused`` where the disk was the reason, which every other call would meet too.
    """

    message: str
    traceback_text: str
    disk_refused: bool = False

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """From an exception, with its whole traceback; a HarnessError is a sentence already."""
        told = isinstance(error, HarnessError)
        message = str(error) if told else traceback.format_exception_only(error)[-1].strip()
        text = "".join(traceback.format_exception(error))
        return cls(message, text, isinstance(error, DiskRefused))


class Callbacks(Protocol):
    """What the caller is told, by the item's index."""

    def prepare(self, index: int) -> Any:
        """The argument for the item, asked right before it is run."""

    def on_event(self, index: int, event: Any) -> Any:
        """The function emitted something; the answer goes back where it runs in this process."""

    def on_done(self, index: int, result: Any) -> bool:
        """The function returned, or failed (a `Failure`); False takes no further item."""


class Executor(Protocol):
    """Runs a function over items; a context, at whose end no process of it is left."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *error: object) -> None: ...

    def begin(self, function: Function, ahead: Callable[[], None]) -> None:
        """Have processes of its own, if it has any, start now, and call ``ahead`` first: what they
        import then, they import while the caller does other things. `run` works without it."""

    def run(self, function: Function, indices: Sequence[int], callbacks: Callbacks) -> None:
        """Call ``function(callbacks.prepare(i), emit)`` for every index.

        Returns when all are done, or when `on_done` said to stop. An exception of a callback, and
        a signal, end everything that is running before they travel on.
        """
