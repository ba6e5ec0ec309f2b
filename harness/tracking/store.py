"""Opening the store that runs are recorded in: a local SQLite file, or any MLflow tracking URI.

Nothing set means the default store under the current directory, `mlruns/mlflow.db`, created when
first needed, with a relative link `mlflow.db` to it beside `mlruns/`, because that is the file
which a bare `mlflow ui` opens. Whatever is wrong with a store is a StoreError, one sentence that
names the store; nothing is overwritten, migrated, or created by a command that only reads.
"""

from __future__ import annotations

import dataclasses
import functools
import http.client
import os
import shlex
import sqlite3
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy

from harness.errors import StoreError, StoreMissing, escape, shorten
from harness.tracking import planner, schema, sqlite_file, sqlite_store
from harness.tracking.inside import require_folder, require_folders_inside
from harness.tracking.lock import DEFAULT_DATABASE
from harness.tracking.told import redacted

if TYPE_CHECKING:
    from harness.tracking.mlflow_api import MlflowClient

STORE_FOLDER = "mlruns"
CONNECT_TIMEOUT_S = 10


@dataclasses.dataclass(frozen=True)
class Store:
    """An open store.

    ``state_dir`` is the ``mlruns`` folder of the current directory, where locks (``.state``) and
    caches (``.cache``) lie, for remote stores too. ``database`` is the SQLite file of a local
    store. ``notes`` are what the user should be told.
    """

    uri: str
    state_dir: Path
    database: Path | None = None
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def client(self) -> MlflowClient:
        """MLflow's client on the store; raises StoreError.

        What reads the tables of a local store does without it, and without importing MLflow.
        """
        from harness.tracking import mlflow_client

        if self.database is not None:
            return mlflow_client.open_local(self.database)
        return mlflow_client.open_elsewhere(self.uri)

    @property
    def is_local(self) -> bool:
        """Whether this is a SQLite file, so that its artifacts may be reached by path."""
        return self.database is not None

    @property
    def is_server(self) -> bool:
        """Whether an MLflow server stands between, which decides where artifacts go."""
        return self.uri.startswith(("http:", "https:"))


def open_store(
    tracking_uri: str | None = None, directory: Path | None = None, create: bool = True
) -> Store:
    """Open the store at `tracking_uri`, else at `MLFLOW_TRACKING_URI`, else the default one.

    With `create`, a SQLite store that is missing is made; without, that is an error and nothing
    is written. Raises StoreError, StoreMissing among them.
    """
    directory = (directory or Path.cwd()).resolve()
    state_dir = directory / STORE_FOLDER
    _require_text(state_dir)
    require_folder(state_dir)
    require_folders_inside(state_dir)
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    default = state_dir / DEFAULT_DATABASE
    database = default if uri is None else _sqlite_path(uri, directory)
    if database is None:
        assert uri is not None
        is_known = _reach(uri)
        store = Store(uri, state_dir)
        if not is_known:
            _ = store.client  # has answered once, then
        return store
    _require_text(database)
    require_folder(database.parent)
    require_folders_inside(database.parent)
    if create and not os.path.lexists(database):
        from harness.tracking.sqlite_creation import ensure_database

        ensure_database(database)
    if not os.path.lexists(database):
        where = _shown(database, directory)
        raise StoreMissing(f"no store at {where}: run `harness run FILE` first")
    store = Store(sqlite_store.sqlite_uri(database), state_dir, database)
    if not sqlite_store.look(database):
        _ = store.client  # MLflow looks at what we do not know
    sqlite_store.follow_move(database)
    if not create:
        return store
    link = _ensure_link(directory, database) if database == default else ""
    notes = (ensure_statistics(store), link)
    return dataclasses.replace(store, notes=tuple(note for note in notes if note))


def ensure_statistics(store: Store) -> str:
    """Plant the statistics without which charts of a store of many runs are slow; the line that
    says so, empty where they are there, as they are in a store that was made here."""
    if store.database is None or not sqlite_store.ensure_statistics(store.database):
        return ""
    return (
        f"{escape(str(store.database))}: had no statistics for SQLite's planner; they were added, "
        "and MLflow's charts of many runs are quicker for them"
    )


def refresh_statistics(store: Store) -> None:
    """Tell SQLite's planner how much the store holds now, after a sweep (3 ms)."""
    if store.database is None:
        return
    try:
        planner.refresh(store.database)
    except sqlite3.Error as error:
        raise sqlite_file.unusable(store.database, error) from error


def _sqlite_path(uri: str, directory: Path) -> Path | None:
    """The file that a `sqlite:` URI names, None for a URI of another kind."""
    if not uri.startswith("sqlite"):
        return None
    try:
        name = sqlalchemy.make_url(uri).database
    except sqlalchemy.exc.ArgumentError as error:
        raise StoreError(f"{redacted(uri)}: is not a tracking URI; write sqlite:///PATH") from error
    if not name or name == ":memory:" or uri.startswith("sqlite:///file:"):
        raise StoreError(f"{redacted(uri)}: names no file; write sqlite:///PATH")
    return (directory / name).resolve()


def _require_text(path: Path) -> None:
    """Paths are kept as text, and what is not UTF-8 of a name is none: half of a surrogate pair."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"{escape(str(path))}: holds a name that is not UTF-8, which cannot be recorded; "
            "rename it, or work in another folder"
        ) from error


def _shown(database: Path, directory: Path) -> str:
    is_below = database.is_relative_to(directory)
    return escape(str(database.relative_to(directory) if is_below else database))


def _reach(uri: str) -> bool:
    """Have a wrong address told at once: left to itself, MLflow tries a server for four minutes and
    a database for two. Whether there are tables that we know, so that MLflow need not look at them.
    """
    try:
        scheme = urlsplit(uri).scheme
    except ValueError as error:  # half of the brackets of an address
        raise StoreError(f"{redacted(uri)}: is not a tracking URI: {error}") from error
    if scheme in ("", "file"):
        raise StoreError(
            f"{redacted(uri)}: MLflow no longer keeps runs in a folder of files; write "
            "sqlite:///PATH or the address of a server"
        )
    if scheme in ("http", "https"):
        _reach_server(uri)
    elif "databricks" not in scheme:
        return _reach_database(uri)
    return False


def _reach_server(uri: str) -> None:
    """Any answer will do, also a refusal: what it means, MLflow finds out with its own login."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, host, parts.path.rstrip("/") + "/health", "", ""))
    try:
        urllib.request.urlopen(address, timeout=CONNECT_TIMEOUT_S).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, ssl.SSLError):
            said = shorten(str(reason) or type(reason).__name__)
            message = f"{redacted(uri)}: no MLflow server answers there: {said}"
            raise StoreError(message) from error


def _reach_database(uri: str) -> bool:
    try:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            return schema.is_known_elsewhere(connection)
    except ImportError as error:
        message = f"{redacted(uri)}: its database driver is not installed ({error})"
        raise StoreError(message) from error
    except sqlalchemy.exc.ArgumentError as error:
        known = "sqlite:///PATH, http://HOST:PORT, postgresql://..., mysql://..., mssql://..."
        message = f"{redacted(uri)}: is not a tracking URI; use one of {known}"
        raise StoreError(message) from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise StoreError(f"{redacted(uri)}: cannot connect: {reason}") from error


def _ensure_link(directory: Path, database: Path) -> str:
    """Have `./mlflow.db` lead to the store; when it cannot, the command that shows the store."""
    link = directory / DEFAULT_DATABASE
    try:
        if not os.path.lexists(link):
            link.symlink_to(Path(STORE_FOLDER) / DEFAULT_DATABASE)
    except FileExistsError:
        return _link_note(link, database)  # another process was faster
    except OSError as error:
        return f"./{link.name} cannot be linked ({error.strerror}); {_ui_command(database)}"
    return _link_note(link, database)


def _link_note(link: Path, database: Path) -> str:
    if link.resolve() == database:
        return ""
    return f"./{link.name} is not this store and was left alone; {_ui_command(database)}"


def _ui_command(database: Path) -> str:
    uri = shlex.quote(sqlite_store.sqlite_uri(database))
    return f"to see the runs: mlflow ui --backend-store-uri {uri}"
