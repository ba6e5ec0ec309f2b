"""One after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from harness.executors.base import Callbacks, Failure, Function


class _CallbackFailed(BaseException):
    """Carries a callback's exception past the handlers of the function that emitted."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class InProcess:
    """Runs each item here; an exception becomes a `Failure` and the next item follows."""

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left here."""

    def begin(self, function: Function, ahead: Callable[[], None]) -> None:
        """See `Executor.begin`; what is imported here, is imported when it is needed."""

    def run(self, function: Function, indices: Sequence[int], callbacks: Callbacks) -> None:
        """See `Executor.run`."""
        for index in indices:
            item = callbacks.prepare(index)
            try:
                result = function(item, partial(_emit, callbacks, index))
            except _CallbackFailed as carrier:
                raise carrier.error from None
            except Exception as error:  # noqa: BLE001 - one run's failure is not the sweep's
                result = Failure.of(error)
            if not callbacks.on_done(index, result):
                return


def _emit(callbacks: Callbacks, index: int, event: Any) -> Any:
    try:
        return callbacks.on_event(index, event)
    except Exception as error:
        raise _CallbackFailed(error) from error
