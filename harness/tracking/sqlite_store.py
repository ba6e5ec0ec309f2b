"""The SQLite database of a local store: made whole or not at all, and looked at before use.

MLflow creates its schema in place, in some sixty steps without lock or transaction: of eight
processes that start at once seven crash, and a kill in the middle can ruin the file for good. Here
one process, under a file lock, builds the database under a temporary name in the same folder, sets
what MLflow leaves out (WAL, planner statistics, the folder that artifact paths belong to) and
renames it into place. What a killed creation left is removed by the next one.

An existing file is never overwritten, and its schema is never migrated without being asked: MLflow
would do so by itself when tables are missing. WAL with synchronous=NORMAL may lose the last commits
when the power fails, never at a kill; a run of 200 steps costs 32 ms so, 57 ms with the defaults.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import importlib
import itertools
import os
import shlex
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy
from filelock import FileLock, Timeout

from harness.errors import StoreError, escape
from harness.tracking import planner, relocation, sqlite_file, trouble
from harness.tracking.inside import require_no_link
from harness.tracking.mlflow_api import MlflowClient, MlflowException, mlflow, told

CREATION_TIMEOUT_S = 120
_ATTEMPTS = itertools.count()
MLFLOW_TIMEOUT = "PRAGMA busy_timeout = 20000"


def sqlite_uri(database: Path) -> str:
    """The tracking URI of a database file, with what a URI cannot hold escaped."""
    url = sqlalchemy.URL.create("sqlite", database=str(database))
    return url.render_as_string(hide_password=False)


def ensure_database(database: Path) -> None:
    """Create the database unless it is there; safe against other processes and kills."""
    if _is_there(database):
        return
    lock = database.with_name(f".{database.name}.lock")
    require_no_link(lock)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=CREATION_TIMEOUT_S):
            if not _is_there(database):
                _create(database)
    except Timeout as error:
        raise StoreError(
            f"{database}: another process has been creating it for {CREATION_TIMEOUT_S} s"
        ) from error
    except (OSError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        raise StoreError(_not_created(database, error)) from error


def _not_created(database: Path, error: Exception) -> str:
    first = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
    known = trouble.reason(database, str(error))
    return f"{escape(str(database))}: the store cannot be created: {known or first}"


def busy_timeout_pragma() -> str:
    """How long a connection waits for others, as SQLite takes it."""
    return f"busy_timeout = {round(trouble.busy_timeout_s() * 1000)}"


def open_client(database: Path) -> MlflowClient:
    """A client on an existing database, checked first; raises StoreError, changes no schema."""
    _look(database)
    uri = sqlite_uri(database)
    _tune_connections(str(database))
    with told(uri, "open the store"), warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        try:
            client = MlflowClient(tracking_uri=uri)
        except MlflowException as error:
            if "out-of-date database schema" in str(error):
                raise StoreError(_schema_differs(database)) from error
            raise
    _mend(database)
    return client


def _is_there(database: Path) -> bool:
    """Whatever has the name, a link that leads nowhere too: none of it is overwritten."""
    return os.path.lexists(database)


def _create(database: Path) -> None:
    base = database.with_name(f".{database.name}.building")
    # MLflow keeps connections to a file whose creation failed: another file gets another name.
    building = base.with_name(f"{base.name}{next(_ATTEMPTS) or ''}")
    for left in base.parent.glob(f"{glob.escape(base.name)}*"):
        left.unlink()
    try:
        _build_schema(building, database.parent)
        _finish(building, database.parent)
        _set_aside_sidecars(database)
        building.replace(database)
    except Exception as error:
        # MLflow tries again where a step failed, and its last error is another one.
        if trouble.has_no_room(database.parent):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    finally:
        _remove(building)


def _build_schema(building: Path, home: Path) -> None:
    """MLflow's own schema, in a file that nobody else reads: 0.7 s without fsync, 1.1 s with."""
    uri = sqlite_uri(building)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        pragmas = ("synchronous = OFF", "journal_mode = MEMORY")
        with told(uri, "create the store"), _connected_with(building, pragmas):
            SqlAlchemyStore(uri, home.as_uri()).engine.dispose()  # type: ignore[no-untyped-call]


def _finish(building: Path, home: Path) -> None:
    connection = sqlite3.connect(building)
    try:
        planner.plant(connection)
        relocation.write_home(connection, home)
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    with building.open("rb+") as file:
        os.fsync(file.fileno())


def _set_aside_sidecars(database: Path) -> None:
    """A journal without its database would be replayed into the new one; it is kept by name."""
    for suffix in ("-wal", "-journal"):
        sidecar = database.with_name(database.name + suffix)
        if sidecar.exists():
            sidecar.replace(database.with_name(f"{database.name}{suffix}.orphan"))
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)


def _remove(building: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        building.with_name(building.name + suffix).unlink(missing_ok=True)


def _look(database: Path) -> None:
    """Tell what is wrong with a file before MLflow opens (and perhaps migrates) it."""
    sqlite_file.check(database)
    tables = sqlite_file.tables(database)
    if "alembic_version" not in tables:
        raise StoreError(f"{database}: is a SQLite database, but not a store of MLflow")
    if not _mlflow_tables() <= tables:
        raise StoreError(_schema_differs(database))


def _mend(database: Path) -> None:
    """What a migration drops and a move makes wrong."""
    try:
        with contextlib.closing(_connect(database)) as connection:
            moved = relocation.has_moved(connection, database.parent)
            if moved or not planner.is_planted(connection):
                # Begun so, it waits for other writers; after a read it would not.
                connection.execute("BEGIN IMMEDIATE")
                planner.plant(connection)
                relocation.mend(connection, database.parent)
                connection.commit()
    except sqlite3.Error as error:
        raise sqlite_file.unusable(database, error) from error


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=trouble.busy_timeout_s(), isolation_level=None)


def _mlflow_tables() -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sqlalchemy.exc.SADeprecationWarning)
        # Importing the store is what declares the tables.
        importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        from mlflow.store.db.base_sql_model import Base
    return set(Base.metadata.tables)


def _revision(database: Path) -> str:
    with contextlib.closing(_connect(database)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "none"


def _schema_differs(database: Path) -> str:
    """The message for a schema of another MLflow: whether to upgrade the store or MLflow."""
    from alembic.script import ScriptDirectory

    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    known = [script.revision for script in ScriptDirectory(str(folder)).walk_revisions()]
    revision = _revision(database)
    head = f"{database}: its schema (revision {revision}) is"
    if revision == known[0]:
        return f"{database}: tables of MLflow's are missing in it; put a copy back in its place"
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
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _setter(database, pragmas))

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


@contextlib.contextmanager
def _connected_with(database: Path, pragmas: tuple[str, ...]) -> Iterator[None]:
    listener = _setter(str(database), pragmas)
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", listener)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", listener)


def _setter(database: str, pragmas: tuple[str, ...]) -> Callable[[object, object], None]:
    """A listener for new connections; those to other databases (Optuna's) are left alone."""

    def on_connect(connection: object, _record: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        row = connection.execute("PRAGMA database_list").fetchone()
        if row[2] and Path(row[2]) == Path(database):
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

    return on_connect
