"""A server that is away for a while is waited for, and what is asked twice is done once.

Left to itself MLflow's client repeats a request that got no answer, several times and without a
word; a run whose creation was answered by a dying server would be there twice. So MLflow's own
repeating is off where a sweep runs, and each call of the client is repeated here, with back-off,
for as long as `patience` says: that the server is away is told, and so is that it is back. What is
asked of a server is safe to ask again, for it leaves what is there (a point with the same key,
step, time and value is no second point), except for making something new: that is looked for first.
What MLflow refuses to do twice, its caller takes for done where it is found done.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import requests
import urllib3

from harness.errors import StoreError, shorten
from harness.interrupts import break_in
from harness.tracking.mlflow_api import MlflowClient, MlflowException
from harness.tracking.store import Store
from harness.tracking.tell import Tell
from harness.tracking.told import redacted
from harness.tracking.trouble import seconds_from

TIMEOUT_VARIABLE = "HARNESS_SERVER_TIMEOUT_S"
DEFAULT_TIMEOUT_S = 600.0
TELL_AFTER_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0
NOT_REPEATED = {"create_run", "create_logged_model"}
"""What makes something new at each call; with no answer it may have been done."""
AWAY_CODES = (502, 503, 504)
MLFLOWS_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

T = TypeVar("T")


class ServerAway(StoreError):
    """A server gave no answer; ``why`` says so in a few words.

    It may have done what was asked. With ``is_over`` it was waited for as long as there was time.
    """

    def __init__(self, message: str, why: str, *, is_over: bool) -> None:
        super().__init__(message)
        self.why, self.is_over = why, is_over


@dataclasses.dataclass(frozen=True)
class Patience:
    """Repeats what a server does not answer.

    ``tell`` hears that it is away, and that it is back. ``require`` is called before anything is
    asked again, and raises where that is another's to do by then (see `lease`).
    """

    uri: str
    tell: Tell
    require: Callable[[], None]
    timeout_s: float

    def keep_asking(self, ask: Callable[[], T], *, is_safe: bool = True) -> T:
        """What ``ask`` returns, once it gets an answer.

        Raises ServerAway when the time is up or, where it is not safe to be asked twice, as soon as
        the server may have heard it; and `Interrupted`.
        """
        began, told, waits = time.monotonic(), False, pauses()
        while True:
            try:
                answer = ask()
            except (MlflowException, OSError, ServerAway) as error:
                away = why_away(error)
                if away is None:
                    raise
                waited_s = time.monotonic() - began
                is_over = waited_s >= self.timeout_s
                if is_over or not (is_safe or was_never_heard(error)):
                    message = self._gave_up(away, waited_s)
                    raise ServerAway(message, away, is_over=is_over) from error
                if not told and waited_s > TELL_AFTER_S:
                    self.tell(
                        f"{redacted(self.uri)}: no answer ({away}); asking again for "
                        f"{self.timeout_s:g} s"
                    )
                    told = True
                _sleep(next(waits))
                self.require()
            else:
                if told:
                    waited_s = time.monotonic() - began
                    self.tell(f"{redacted(self.uri)}: answers again after {waited_s:.0f} s")
                return answer

    def _gave_up(self, away: str, waited_s: float) -> str:
        return (
            f"{redacted(self.uri)}: no answer for {waited_s:.0f} s ({away}); what is recorded is "
            "kept: once the server answers, the same command goes on"
        )


class PatientClient:
    """MLflow's client with every call repeated until it is answered."""

    def __init__(self, client: MlflowClient, patience: Patience) -> None:
        self.inner, self.patience = client, patience

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name.startswith("_") or not callable(method):
            return method

        @functools.wraps(method)
        def patiently(*args: Any, **kwargs: Any) -> Any:
            ask = functools.partial(method, *args, **kwargs)
            return self.patience.keep_asking(ask, is_safe=name not in NOT_REPEATED)

        return patiently


def patient(
    store: Store, tell: Tell, require: Callable[[], None], timeout_s: float | None = None
) -> Store:
    """The store with a client that waits for its server, by default for `server_timeout_s`; a store
    without a server as it is."""
    if not store.is_server:
        return store
    client = store.client
    inner = client.inner if isinstance(client, PatientClient) else client
    waited_s = server_timeout_s() if timeout_s is None else timeout_s
    waiting = dataclasses.replace(store)
    made = PatientClient(inner, Patience(store.uri, tell, require, waited_s))
    vars(waiting)["client"] = cast(MlflowClient, made)
    return waiting


def patiently(store: Store, ask: Callable[[], T]) -> T:
    """What ``ask`` returns, asked as the store's client asks; for what it has no method for."""
    client: object = store.client
    return client.patience.keep_asking(ask) if isinstance(client, PatientClient) else ask()


def leave_repeating_to_us(store: Store) -> None:
    """Have MLflow's client ask a server once, in this process: see `Patience`."""
    if store.is_server:
        os.environ[MLFLOWS_RETRIES] = "0"


def server_timeout_s() -> float:
    """How long a server that does not answer is waited for, in seconds."""
    return seconds_from(TIMEOUT_VARIABLE, DEFAULT_TIMEOUT_S)


def why_away(error: BaseException) -> str | None:
    """In a few words why there was no answer; None for an error that is one."""
    for cause in _causes(error):
        if isinstance(cause, ServerAway):
            return cause.why
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)):
            return "no answer in time"
        if isinstance(cause, urllib3.exceptions.ResponseError):
            return shorten(str(cause), 60)
        if isinstance(cause, (requests.ConnectionError, urllib3.exceptions.ProtocolError)):
            return _last_words(cause)
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            code = cause.response.status_code
            return f"error {code}" if code in AWAY_CODES else None
    return None


def was_never_heard(error: BaseException) -> bool:
    """Whether no connection was made, so that nothing can have been done."""
    return any(
        isinstance(cause, (urllib3.exceptions.NewConnectionError, ConnectionRefusedError))
        for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what lies behind it: its cause, and what the HTTP libraries wrapped."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [*found.args, getattr(found, "reason", None), found.__cause__]
        waiting += [found.__context__]


def _last_words(error: BaseException) -> str:
    """Of an error that wraps others, what the innermost says."""
    deepest = [*_causes(error)][-1]
    return shorten(str(deepest.args[-1] if deepest.args else deepest), 60)


def pauses() -> Iterator[float]:
    """Seconds between one try and the next, longer and longer."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _sleep(seconds: float) -> None:
    """Wait, but for no longer than until a signal comes."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        break_in()
        time.sleep(min(left, 0.1))
    break_in()
