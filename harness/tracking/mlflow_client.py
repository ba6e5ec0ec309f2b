"""MLflow's client on a store: opened when what it takes (1.2 s of imports) is needed."""

from __future__ import annotations

import contextlib
import functools
import importlib
import shlex
import warnings
from pathlib import Path

import sqlalchemy

from harness.errors import StoreError, escape
from harness.tracking import sqlite_file
from harness.tracking.mlflow_api import MlflowClient, MlflowException, mlflow
from harness.tracking.sqlite_store import (
    busy_timeout_pragma,
    connect,
    set_on_connect,
    sqlite_uri,
)
from harness.tracking.told import told

MLFLOW_TIMEOUT = "PRAGMA busy_timeout = 20000"


def open_local(database: Path) -> MlflowClient:
    """A client on an existing database, checked first; raises StoreError, changes no schema."""
    if not _mlflow_tables() <= sqlite_file.tables(database):
        raise StoreError(_schema_differs(database))
    uri = sqlite_uri(database)
    _tune_connections(str(database))
    with told(uri, "open the store"), warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        try:
            return MlflowClient(tracking_uri=uri)
        except MlflowException as error:
            if "out-of-date database schema" in str(error):
                raise StoreError(_schema_differs(database)) from error
            raise


def open_elsewhere(uri: str) -> MlflowClient:
    """A client on a server or a database that has been reached, and has answered once."""
    with told(uri, "open the store"), warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _mlflow_tables() -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        # Importing the store is what declares the tables.
        importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        from mlflow.store.db.base_sql_model import Base
    return set(Base.metadata.tables)


def _revision(database: Path) -> str:
    with contextlib.closing(connect(database)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "none"


def _schema_differs(database: Path) -> str:
    """The message for a schema of another MLflow: whether to upgrade the store or MLflow."""
    from alembic.script import ScriptDirectory

    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    known = [script.revision for script in ScriptDirectory(str(folder)).walk_revisions()]
    revision = _revision(database)
    where = escape(str(database))
    head = f"{where}: its schema (revision {revision}) is"
    if revision == known[0]:
        return f"{where}: tables of MLflow's are missing in it; put a copy back in its place"
    if revision in known:
        command = f"mlflow db upgrade {shlex.quote(sqlite_uri(database))}"
        return (
            f"{head} older than that of MLflow {mlflow.__version__}; back the file up, "
            f"then type: {command}"
        )
    return (
        f"{head} not known to MLflow {mlflow.__version__}: a newer MLflow wrote it; install that "
        "version, or name another store with --tracking-uri"
    )


@functools.cache
def _tune_connections(database: str) -> None:
    """Have every later connection of this process to `database` opened with our settings."""
    pragmas = ("synchronous = NORMAL",)
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", set_on_connect(database, pragmas))

    def wait_as_long_as_we(
        connection: sqlalchemy.Connection,
        _cursor: object,
        statement: str,
        parameters: object,
        _context: object,
        _many: bool,
    ) -> tuple[str, object]:
        """MLflow sets 20 s at the beginning of each of its sessions."""
        if statement.startswith(MLFLOW_TIMEOUT) and connection.engine.url.database == database:
            statement = f"PRAGMA {busy_timeout_pragma()}"
        return statement, parameters

    sqlalchemy.event.listen(
        sqlalchemy.Engine, "before_cursor_execute", wait_as_long_as_we, retval=True
    )
