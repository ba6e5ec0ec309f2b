"""On N processes of this machine that import once and live for the whole sweep.

Workers are spawned, so they share no state with the parent. Each has a pipe: items go in; events
and results come out. A worker that dies fails the item that it had, with the reason, and is
replaced; the others go on. Workers ignore Ctrl-C: the parent decides, and asks them to stop; what
they still tell on their way out is heard. None outlives its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.executors.base import Callbacks, Failure, Function
from harness.interrupts import Interrupted, installed, shielded

_EVENT, _DONE, _DIED = "event", "done", "died"
PATIENCE_S = 3.5  # a little longer than what a worker takes to save its runs


@dataclasses.dataclass
class _Worker:
    process: Any
    pipe: Connection
    index: int | None = None


class Processes:
    """Runs items on ``num_workers`` spawned processes.

    The function and the items are pickled to the workers; results and events are pickled back.
    """

    def __init__(self, num_workers: int) -> None:
        assert num_workers >= 1
        self.num_workers = num_workers
        self._begun: list[_Worker] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        """End workers that were begun and never used."""
        while self._begun:
            _end(self._begun.pop())

    def begin(self, function: Function, ahead: Callable[[], None]) -> None:
        """See `Executor.begin`."""
        while len(self._begun) < self.num_workers:
            self._begun.append(_start(function, ahead))

    def run(self, function: Function, indices: Sequence[int], callbacks: Callbacks) -> None:
        """See `Executor.run`."""
        waiting = deque(indices)
        workers: list[_Worker] = []
        try:
            for _ in range(min(self.num_workers, len(waiting))):
                workers.append(self._begun.pop() if self._begun else _start(function))
                _give(workers[-1], waiting, callbacks)
            while any(worker.index is not None for worker in workers):
                for worker in _heard(workers):
                    if self._serve(worker, callbacks, waiting) and waiting:
                        workers.remove(worker)
                        workers.append(_start(function))
                        _give(workers[-1], waiting, callbacks)
        except Interrupted:
            _ask_to_stop(workers)
            _hear_out(workers, callbacks)
            raise
        finally:
            for worker in workers:
                _end(worker)

    def _serve(self, worker: _Worker, callbacks: Callbacks, waiting: deque[int]) -> bool:
        """Take one message of a worker, and give it the next item if it is done; is it dead?"""
        assert worker.index is not None
        with shielded():  # a signal in the middle of a message would leave the pipe unreadable
            kind, value = _receive(worker)
            if kind == _EVENT:
                callbacks.on_event(worker.index, value)
                return False
            index, worker.index = worker.index, None
            if not callbacks.on_done(index, value):
                waiting.clear()
            if kind == _DONE:
                _give(worker, waiting, callbacks)
            return kind == _DIED


def _heard(workers: Sequence[_Worker], timeout_s: float | None = None) -> list[_Worker]:
    """The workers that have a message; waits until one has."""
    busy = {worker.pipe: worker for worker in workers if worker.index is not None}
    return [busy[pipe] for pipe in wait(list(busy), timeout_s) if isinstance(pipe, Connection)]


def _ask_to_stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        if worker.index is not None:
            worker.process.terminate()


def _hear_out(workers: Sequence[_Worker], callbacks: Callbacks) -> None:
    """Take what workers that were asked to stop still tell, for `PATIENCE_S` at most."""
    until = time.monotonic() + PATIENCE_S
    while any(worker.index is not None for worker in workers):
        heard = _heard(workers, max(0.0, until - time.monotonic()))
        if not heard:
            return
        for worker in heard:
            assert worker.index is not None
            kind, value = _receive(worker)
            if kind == _EVENT:
                callbacks.on_event(worker.index, value)
            else:
                worker.index = None


def _receive(worker: _Worker) -> tuple[str, Any]:
    """The next message of a worker that has one; its end is one too."""
    try:
        kind, value = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        return _DIED, _death(worker)
    return kind, value


def _give(worker: _Worker, waiting: deque[int], callbacks: Callbacks) -> None:
    if waiting:
        worker.index = waiting.popleft()
        item = callbacks.prepare(worker.index)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(item)  # a worker that died meanwhile is noticed when it is read


def _nothing() -> None:
    """What a worker does first that begins when there is work."""


def _start(function: Function, ahead: Callable[[], None] = _nothing) -> _Worker:
    """A new worker. No signal comes between, and Ctrl-C cannot cut through its imports: it
    inherits the blocked SIGINT. The tracker is started first, for its start would unblock it."""
    context = multiprocessing.get_context("spawn")
    with shielded():
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(function, ahead, theirs), daemon=True)
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            theirs.close()
    return _Worker(process, ours)


def _end(worker: _Worker, patience_s: float = 2.0) -> None:
    worker.pipe.close()
    if worker.index is not None:
        worker.process.terminate()
    worker.process.join(patience_s)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _death(worker: _Worker) -> Failure:
    worker.process.join()
    code = worker.process.exitcode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    message = f"the worker process {worker.process.pid} died ({how})"
    return Failure(message, message)


def _work(function: Function, ahead: Callable[[], None], pipe: Connection) -> None:
    """A worker's life: items until the parent closes the pipe.

    It leaves without taking itself apart, which takes a second where torch is imported, and for
    which its parent would wait.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What goes wrong here goes wrong with an item too, and is told then.
    with contextlib.suppress(Exception):
        ahead()
    with contextlib.suppress(Interrupted), installed([signal.SIGTERM]):
        while _serve(function, pipe):
            pass
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _serve(function: Function, pipe: Connection) -> bool:
    """Work on the next item; False when there is none."""
    try:
        item = pipe.recv()
    except (EOFError, ConnectionResetError):
        return False
    try:
        _tell(pipe, _DONE, function(item, partial(_tell, pipe, _EVENT)))
    except Exception as error:  # noqa: BLE001 - one run's failure is not the sweep's
        _tell(pipe, _DONE, Failure.of(error))
    except Interrupted as stop:
        _tell(pipe, _DONE, Failure.of(stop))
    return True


def _tell(pipe: Connection, kind: str, value: Any) -> None:
    """Send a message home, whole; the process ends where nobody is left to hear it."""
    try:
        with shielded():
            pipe.send((kind, value))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, and one that trains says nothing for a while."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
