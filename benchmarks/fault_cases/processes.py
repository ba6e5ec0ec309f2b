"""Commands as forks of a process that has imported everything: each takes half a second less."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import HarnessError

IMPORTED = (
    "torch._dynamo",  # by the first optimizer
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking.fluent",
    "optuna",
    "harness.cli.main",
    "harness.cli.progress",
    "harness.cli.summary",
    "harness.sweep",
    "harness.search.searches",
    "harness.search.plots",
    "harness.spec.load",
    "harness.train.engines",
    "harness.train.resume",
    "harness.gpt.evaluation",
    "harness.gpt.checkpoint",
)
DEADLINE_S = 600.0
TICK_S = 0.02


def import_all() -> None:
    """Import what the commands need."""
    for name in IMPORTED:
        importlib.import_module(name)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended; a signal has a negative code, as in `subprocess`."""

    code: int
    output: str

    @property
    def is_clear(self) -> bool:
        """Whether it said what it had to say without a traceback."""
        return "Traceback" not in self.output


class Command:
    """A command that runs in `folder`, as the leader of a process group of its own."""

    def __init__(self, work: Callable[[], object], folder: Path) -> None:
        self.output = output_file()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _work(work, folder, self.output)

    def end(self, deadline_s: float = DEADLINE_S) -> Ended:
        """Wait for its end; what takes too long hangs, and is killed with all of its group."""
        until = time.monotonic() + deadline_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return Ended(os.waitstatus_to_exitcode(status), taken(self.output))
            if time.monotonic() > until:
                self.kill()
                return Ended(-signal.SIGKILL, "it hung")
            time.sleep(TICK_S)

    def kill(self) -> None:
        """Kill it with all of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        taken(self.output)


def output_file() -> Path:
    """A file for what a command prints; not in its folder, whose disk may be full."""
    handle, name = tempfile.mkstemp(suffix=".txt")
    os.close(handle)
    return Path(name)


def taken(output: Path) -> str:
    """What a command printed; the file is gone."""
    text = output.read_text(errors="replace")
    output.unlink()
    return text


@contextlib.contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A temporary folder, in memory where Linux has that: a kill leaves there what it leaves on a
    disk, and no sync is waited for."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name).resolve()


def run(work: Callable[[], object], folder: Path) -> Ended:
    """Run a command in `folder` to its end."""
    return Command(work, folder).end()


def harness(*arguments: str) -> Callable[[], None]:
    """The command `harness`."""

    def work() -> None:
        from harness.cli.main import app

        app(list(arguments))

    return work


def script(path: Path, *arguments: str) -> Callable[[], None]:
    """A script of Python's."""

    def work() -> None:
        sys.argv = [str(path), *arguments]
        runpy.run_path(str(path), run_name="__main__")

    return work


def inside(
    work: Callable[[], object], folder: Path, output: Path = Path(os.devnull)
) -> Callable[[], None]:
    """`work` in a folder, with its output in a file; for a fork that is traced."""

    def moved() -> None:
        os.chdir(folder)
        handle = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(handle, stream)
        work()

    return moved


def asked(question: Callable[[], Any]) -> Any:
    """What `question` returns, asked in a fork, so that nothing stays open in this process.

    Where it raises, a dictionary with the `error`, and whether that is one of the product's own.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = question()
        except BaseException as error:  # noqa: BLE001 - a child must never return into its parent's code
            is_ours = isinstance(error, HarnessError)
            answer = {"error": f"{type(error).__name__}: {error}", "is_ours": is_ours}
        with os.fdopen(writing, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return json.loads(answer or '{"error": "it died", "is_ours": false}')


def _work(work: Callable[[], object], folder: Path, output: Path) -> NoReturn:
    code = 1
    try:
        os.setsid()
        inside(work, folder, output)()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - a child must never return into its parent's code
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
