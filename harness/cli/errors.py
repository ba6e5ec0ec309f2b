"""Errors of a command as a user reads them, and the exit code that goes with each.

A HarnessError is printed without a traceback; with `--json` it is the one object on standard
output. Anything else is our own mistake and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence

import typer

from harness.errors import HarnessError, NothingMatched, Problem, SweepFileError
from harness.interrupts import Interrupted

EXIT_USAGE, EXIT_NOTHING = 2, 4


@contextlib.contextmanager
def reporting(*, as_json: bool = False) -> Iterator[None]:
    """Turn what a command raises into a message and an exit code."""
    try:
        yield
    except SweepFileError as error:
        _tell(error.problems, str(error), as_json=as_json)
        raise typer.Exit(EXIT_USAGE) from None
    except HarnessError as error:
        _tell([_as_problem(str(error))], f"harness: {error}", as_json=as_json)
        code = EXIT_NOTHING if isinstance(error, NothingMatched) else EXIT_USAGE
        raise typer.Exit(code) from None
    except Interrupted as stop:
        what = "what was running is recorded as killed and goes on with the same command"
        message = f"stopped by {stop}; {what}"
        _tell([_as_problem(message)], f"harness: {message}", as_json=as_json)
        raise typer.Exit(stop.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of a pipe left: what it wanted it has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing left to flush
        raise typer.Exit(141) from None


def _tell(problems: Sequence[Problem], text: str, *, as_json: bool) -> None:
    if not as_json:
        print(text, file=sys.stderr)
        return
    keys = ("file", "line", "column", "path", "message")
    errors = [{key: getattr(problem, key) for key in keys} for problem in problems]
    print(json.dumps({"errors": errors}))


def _as_problem(message: str) -> Problem:
    """An error that stands in no file."""
    return Problem("", 0, 0, "", message)
