"""The one door to MLflow: everything of it that this package uses comes from here.

Importing MLflow has effects that must be decided first: telemetry is on by default, its loggers
print, and the libraries below it warn about each other. So this module sets them right, imports
MLflow (1.9 s of CPU: import this module only where a store is really used), and turns MLflow's
exceptions into one sentence for the user.

Telemetry is off unless the user turned it on: `MLFLOW_DISABLE_TELEMETRY` stays as they set it, and
`DO_NOT_TRACK=false` counts as permission. MLflow itself heeds only `DO_NOT_TRACK=true`, not `1`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy

from harness.errors import StoreError, escape, shorten
from harness.tracking import trouble


def telemetry_setting(environ: Mapping[str, str]) -> str:
    """What `MLFLOW_DISABLE_TELEMETRY` should be, given what the user set."""
    permitted = environ.get("DO_NOT_TRACK", "").lower() in ("false", "0")
    return environ.get("MLFLOW_DISABLE_TELEMETRY", "false" if permitted else "true")


os.environ["MLFLOW_DISABLE_TELEMETRY"] = telemetry_setting(os.environ)
# Only `cli` prints: no "View run at ..." at the end of each run, no progress bar an artifact.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import (
        Dataset,
        DatasetInput,
        Experiment,
        InputTag,
        LoggedModel,
        LoggedModelOutput,
        Metric,
        Param,
        Run,
        RunTag,
        ViewType,
    )
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

for _name, _level in (("mlflow", logging.ERROR), ("alembic", logging.ERROR)):
    logging.getLogger(_name).setLevel(_level)
# It prints the traceback of every failed SQL statement before raising: the user gets our sentence.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "InputTag",
    "LoggedModel",
    "LoggedModelOutput",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Param",
    "Run",
    "RunTag",
    "ViewType",
    "get_artifact_repository",
    "mlflow",
    "redacted",
    "telemetry_setting",
    "told",
]


@contextlib.contextmanager
def told(uri: str, doing: str) -> Iterator[None]:
    """Turn what MLflow raises while `doing` something to the store at `uri` into a StoreError."""
    try:
        yield
    except (MlflowException, OSError) as error:
        # The HTTP library's errors are OSErrors, and so are those of a full disk.
        raise StoreError(_sentence(uri, doing, str(error))) from error


def redacted(uri: str) -> str:
    """`uri` without its password: what may stand in a message or in a log."""
    password = _password(uri)
    return uri.replace(f":{password}@", ":***@") if password else uri


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
