"""On N processes of this machine that import once and live for the whole sweep.

Workers are spawned, so they share no state with the parent. Each has a pipe: items go in; events
and results come out. A worker that dies fails the item that it had, with the reason, and is
replaced; the others go on. Workers ignore Ctrl-C: the parent decides and ends them.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.executors.base import Callbacks, Failure, Function
from harness.executors.in_process import failure

_EVENT, _DONE = "event", "done"


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

    def run(self, function: Function, indices: Sequence[int], callbacks: Callbacks) -> None:
        """See `Executor.run`."""
        waiting = list(indices)[::-1]
        workers: list[_Worker] = []
        try:
            for _ in range(min(self.num_workers, len(waiting))):
                workers.append(_start(function))
                _give(workers[-1], waiting, callbacks)
            while any(worker.index is not None for worker in workers):
                for worker in _ready(workers):
                    if self._serve(worker, workers, function, callbacks):
                        _give(worker if worker in workers else workers[-1], waiting, callbacks)
                    elif worker.index is None:
                        waiting.clear()
        finally:
            for worker in workers:
                _end(worker)

    def _serve(
        self, worker: _Worker, workers: list[_Worker], function: Function, callbacks: Callbacks
    ) -> bool:
        """Takes one message of a worker; whether its place is free for the next item."""
        assert worker.index is not None
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            workers.remove(worker)
            kind, value = _DONE, _death(worker)
            workers.append(_start(function))
        if kind == _EVENT:
            callbacks.on_event(worker.index, value)
            return False
        index, worker.index = worker.index, None
        return callbacks.on_done(index, value)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    busy = {worker.pipe: worker for worker in workers if worker.index is not None}
    return [busy[pipe] for pipe in wait(list(busy)) if isinstance(pipe, Connection)]


def _give(worker: _Worker, waiting: list[int], callbacks: Callbacks) -> None:
    if waiting:
        worker.index = waiting.pop()
        worker.pipe.send(callbacks.prepare(worker.index))


def _start(function: Function) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(function, theirs), daemon=True)
    process.start()
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


def _work(function: Function, pipe: Connection) -> None:
    """A worker's life: items until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            result = function(item, lambda event: pipe.send((_EVENT, event)))
        except BrokenPipeError:
            os._exit(1)  # the parent is gone; nobody is left to tell
        except Exception as error:  # noqa: BLE001 - one run's failure is not the sweep's
            result = failure(error)
        pipe.send((_DONE, result))
