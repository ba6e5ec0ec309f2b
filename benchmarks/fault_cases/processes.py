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
    "matplotlib.pyplot",
    "plotly",
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
    "harness.train.stacked.driver",
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
        placed = inside(work, folder, self.output)

        def lead() -> None:
            os.setsid()
            placed()

        self.pid = forked(lead)

    def ended(self) -> Ended | None:
        """How it ended; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return Ended(os.waitstatus_to_exitcode(status), taken(self.output)) if pid else None

    def end(self, deadline_s: float = DEADLINE_S) -> Ended:
        """Wait for its end; what takes too long hangs, and is killed with all of its group."""
        until = time.monotonic() + deadline_s
        while (ended := self.ended()) is None:
            if time.monotonic() > until:
                self.kill()
                return Ended(-signal.SIGKILL, "it hung")
            time.sleep(TICK_S)
        return ended

    def kill(self) -> None:
        """Kill it with all of its group."""
        with contextlib.suppress(ProcessLookupError):  # it leads no group yet
            os.killpg(self.pid, signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)
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


class Failed(Exception):
    """What was asked in a fork was answered with an error, or not at all."""

    def __init__(self, text: str, *, is_ours: bool) -> None:
        super().__init__(text)
        self.is_ours = is_ours
        """Whether the error was one of the product's own."""


def asked(question: Callable[[], Any]) -> Any:
    """What `question` returns, asked in a fork, so that nothing stays open in this process.

    Raises Failed where it raises, or dies.
    """
    reading, writing = os.pipe()
    pid = forked(lambda: _answer(question, writing))
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(pid, 0)
    answer = json.loads(text) if text else {"error": "it died", "is_ours": False}
    if "error" in answer:
        raise Failed(answer["error"], is_ours=answer["is_ours"])
    return answer["found"]


def _answer(question: Callable[[], Any], writing: int) -> None:
    try:
        text = json.dumps({"found": question()})
    except BaseException as error:  # noqa: BLE001 - all are told
        is_ours = isinstance(error, HarnessError)
        text = json.dumps({"error": f"{type(error).__name__}: {error}", "is_ours": is_ours})
    with os.fdopen(writing, "w") as file:
        file.write(text)


def forked(action: Callable[[], object]) -> int:
    """The pid of a fork that does the action, and ends with it."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the fork would print it too
    pid = os.fork()
    if pid == 0:
        _end_with(action)
    return pid


def _end_with(action: Callable[[], object]) -> NoReturn:
    """Do the action, and end: a child must never return into its parent's code."""
    code = 1
    try:
        action()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the end
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
