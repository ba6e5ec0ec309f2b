"""One after the other, in this process."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any

from harness.errors import HarnessError
from harness.executors.base import Callbacks, Failure, Function


class _CallbackFailed(BaseException):
    """Carries a callback's exception past the handlers of the function that emitted."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class InProcess:
    """Runs each item here; an exception becomes a `Failure` and the next item follows."""

    def run(self, function: Function, indices: Sequence[int], callbacks: Callbacks) -> None:
        """See `Executor.run`."""
        for index in indices:
            item = callbacks.prepare(index)
            try:
                result = function(item, partial(_emit, callbacks, index))
            except _CallbackFailed as carrier:
                raise carrier.error from None
            except Exception as error:  # noqa: BLE001 - one run's failure is not the sweep's
                result = failure(error)
            if not callbacks.on_done(index, result):
                return


def _emit(callbacks: Callbacks, index: int, event: Any) -> None:
    try:
        callbacks.on_event(index, event)
    except Exception as error:
        raise _CallbackFailed(error) from error


def failure(error: BaseException) -> Failure:
    """A `Failure` from an exception, with its whole traceback."""
    told = isinstance(error, HarnessError)  # its message is a sentence already
    message = str(error) if told else traceback.format_exception_only(error)[-1].strip()
    return Failure(message, "".join(traceback.format_exception(error)))
