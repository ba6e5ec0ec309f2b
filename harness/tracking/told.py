"""What goes wrong with a store, told in one sentence; without importing MLflow."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy

from harness.errors import StoreError, escape, shorten
from harness.tracking import trouble


@contextlib.contextmanager
def told(uri: str, doing: str) -> Iterator[None]:
    """Turn what MLflow raises while `doing` something to the store at `uri` into a StoreError."""
    try:
        yield
    except Exception as error:
        # The HTTP library's errors are OSErrors, and so are those of a full disk.
        if not isinstance(error, (OSError, *_mlflows())):
            raise
        raise StoreError(_sentence(uri, doing, str(error))) from error


def _mlflows() -> tuple[type[Exception], ...]:
    """MLflow's exception, once MLflow is there."""
    module = sys.modules.get("mlflow.exceptions")
    return (module.MlflowException,) if module else ()


def redacted(uri: str) -> str:
    """`uri` without its password, and escaped: what may stand in a message or in a log."""
    password = _password(uri)
    return escape(uri.replace(f":{password}@", ":***@") if password else uri)


def _password(uri: str) -> str | None:
    try:
        return urlsplit(uri).password
    except ValueError:
        return None


def _sentence(uri: str, doing: str, message: str) -> str:
    database = sqlite_path(uri)
    reason = trouble.reason(database, message) if database else None
    if reason is None:
        password = _password(uri)
        if password:
            message = message.replace(password, "***")
        reason = shorten(message.strip().partition("\n")[0], 300)
    where = escape(str(database)) if database else redacted(uri)
    return f"{where}: cannot {doing}: {reason}"


def sqlite_path(uri: str) -> Path | None:
    """The file that a `sqlite:` URI names; None for another URI, or where it names none."""
    if not uri.startswith("sqlite"):
        return None
    try:
        name = sqlalchemy.make_url(uri).database
    except sqlalchemy.exc.ArgumentError:
        return None
    return Path(name) if name else None
