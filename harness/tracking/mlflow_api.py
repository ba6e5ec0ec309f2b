"""The one door to MLflow: everything of it that this package uses comes from here.

Importing MLflow has effects that must be decided first: telemetry is on by default, its loggers
print, and the libraries below it warn about each other. So this module sets them right and imports
MLflow (1.2 to 1.9 s of CPU: what only reads the tables of a store does without, and imports this
module where it turns out to be needed).

Telemetry is off unless the user turned it on: `MLFLOW_DISABLE_TELEMETRY` stays as they set it, and
`DO_NOT_TRACK=false` counts as permission. MLflow itself heeds only `DO_NOT_TRACK=true`, not `1`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping


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
    "telemetry_setting",
]
