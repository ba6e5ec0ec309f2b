"""Errors of a command as a user reads them, and the exit code that goes with each.

A HarnessError is printed without a traceback; with `--json` it is the one object on standard
output. Anything else is our own mistake and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import typer

from harness.errors import HarnessError, NothingMatched, SweepFileError
from harness.interrupts import Interrupted

EXIT_USAGE, EXIT_NOTHING = 2, 4


@contextlib.contextmanager
def reporting(*, as_json: bool = False) -> Iterator[None]:
    """Turn what a command raises into a message and an exit code."""
    try:
        yield
    except HarnessError as error:
        if as_json:
            print(json.dumps({"errors": _to_json(error)}))
        else:
            print(f"harness: {error}" if not _has_problems(error) else error, file=sys.stderr)
        code = EXIT_NOTHING if isinstance(error, NothingMatched) else EXIT_USAGE
        raise typer.Exit(code) from None
    except Interrupted as stop:
        message = "what was running is recorded as killed and starts again with the same command"
        print(f"harness: stopped by {stop}; {message}", file=sys.stderr)
        raise typer.Exit(stop.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of a pipe left: what it wanted it has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing left to flush
        raise typer.Exit(141) from None


def _has_problems(error: HarnessError) -> bool:
    return isinstance(error, SweepFileError)


def _to_json(error: HarnessError) -> list[dict[str, Any]]:
    if isinstance(error, SweepFileError):
        return [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "path": problem.path,
                "message": problem.message,
            }
            for problem in error.problems
        ]
    return [{"file": "", "line": 0, "column": 0, "path": "", "message": str(error)}]
