"""Optuna without log lines and warnings of experimental arguments, and its errors as ours."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import optuna
import sqlalchemy

from harness.errors import StoreError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within, Optuna says nothing; what the process had set before is put back."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def told(where: str, what: str) -> Iterator[None]:
    """Errors of the database as StoreError: ``what`` was tried at ``where``."""
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        cause = error.__cause__ or error
        line = str(cause).strip().partition("\n")[0]
        raise StoreError(f"{where}: cannot {what}: {line}") from error
