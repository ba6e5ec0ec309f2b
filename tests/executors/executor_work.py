"""What executors are given to do, where workers find it, and who listens."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from typing import Any

from harness.errors import UsageError
from harness.executors.base import Emit


def square(item: int, emit: Emit) -> int:
    emit(("begin", item))
    emit(("end", item))
    return item * item


def fail_on_two(item: int, emit: Emit) -> int:
    emit(item)
    if item == 2:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("two is not allowed") from error
    return item


def refuse(item: int, emit: Emit) -> int:
    raise UsageError(f"{item} is not on this machine")


def own_pid(item: Any, emit: Emit) -> int:
    emit(os.getpid())
    return os.getpid()


def killed_on_two(item: int, emit: Emit) -> int:
    emit(item)
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def leaves_on_two(item: int, emit: Emit) -> int:
    if item == 2:
        os._exit(3)
    return item


def survives_ctrl_c(item: int, emit: Emit) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "survived"


def unpicklable(item: int, emit: Emit) -> Any:
    return threading.Lock() if item == 2 else item


def talk_for_ever(item: int, emit: Emit) -> None:
    while True:
        emit(os.getpid())


def sleep_after_a_word(item: int, emit: Emit) -> None:
    emit(os.getpid())
    threading.Event().wait()


class Kept:
    """Keeps everything that an executor says; `raise_in` names the callback that fails."""

    def __init__(
        self,
        items: Sequence[Any],
        *,
        stop_at_first: bool = False,
        raise_in: str = "",
        error: BaseException | None = None,
    ) -> None:
        self.items, self.stop_at_first, self.raise_in = items, stop_at_first, raise_in
        self.error = error or OSError("the disk is full")
        self.prepared: list[int] = []
        self.prepared_at_stop: list[int] = []
        self.events: dict[int, list[Any]] = {}
        self.results: dict[int, Any] = {}

    def _maybe_raise(self, where: str) -> None:
        if where == self.raise_in:
            raise self.error

    def prepare(self, index: int) -> Any:
        self.prepared.append(index)
        if len(self.prepared) > 1:
            self._maybe_raise("prepare")
        return self.items[index]

    def on_event(self, index: int, event: Any) -> None:
        assert index not in self.results, "an event after the end"
        self.events.setdefault(index, []).append(event)
        self._maybe_raise("on_event")

    def on_done(self, index: int, result: Any) -> bool:
        assert index not in self.results, "two ends"
        self.results[index] = result
        self._maybe_raise("on_done")
        if self.stop_at_first and not self.prepared_at_stop:
            self.prepared_at_stop = list(self.prepared)
        return not self.stop_at_first
