"""Two runs written both ways into scratch copies of a store's empty tables, and compared.

Together they meet every statement of `rows`. No connection and no file is left open on the scratch
copies, and nothing of an experiment of the store is read.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import sqlalchemy

from harness.tracking import keys, schema, sqlite_store
from harness.tracking.mlflow_api import MlflowClient
from harness.tracking.record import DatasetInput
from harness.tracking.rows import RowWriter
from harness.tracking.store import Store
from harness.tracking.writers import MAX_PARAM, MAX_TAG, Batch, ClientWriter, Point, Writer, clip

# What MLflow opens a store by, and no run or experiment has a part in.
COPIED_ROWS = ("alembic_version", "workspaces")
SCRATCH_PRAGMAS = ("synchronous = OFF", "journal_mode = MEMORY")
MADE_UP = re.compile(r"[0-9a-f]{32}")
START_MS = 1_800_000_000_000

_Row = tuple[object, ...]
_Contents = dict[str, tuple[list[str], list[_Row]]]


def first_difference(database: Path, folder: Path) -> str | None:
    """What rows have otherwise than MLflow's client; None where they agree. Raises whatever goes
    wrong. `database` is a store with tables that `schema` knows, `folder` an empty one."""
    theirs, ours = folder / "theirs.db", folder / "ours.db"
    _copy_tables(database, theirs)
    with warnings.catch_warnings(), _connections_closed(theirs):
        warnings.simplefilter("ignore")
        store = _Scratch(sqlite_store.sqlite_uri(theirs), folder, theirs)
        # Nothing is ever put there.
        experiment = store.client.create_experiment("canary", artifact_location="file:///canary")
        _copy(theirs, ours)
        _write_runs(ClientWriter(store, experiment))
    behind = ClientWriter(_NoClient("", folder), experiment)
    _write_runs(RowWriter(ours, experiment, behind))
    return _compared(_contents(ours), _contents(theirs))


class _Scratch(Store):
    """A store whose client is forgotten with it; that of a real one is tuned for good."""

    @functools.cached_property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)


class _NoClient(Store):
    """Stands behind the rows, which must not need it: runs would be compared with themselves."""

    @functools.cached_property
    def client(self) -> MlflowClient:
        raise _RefusedError


class _RefusedError(Exception):
    """SQLite refused the rows, or `rows` took a run for out of the ordinary."""


def _write_runs(writer: Writer) -> None:
    """One run by one transaction a call, the next in one for all."""
    _write_run(writer, START_MS, "FINISHED")
    with writer.batched():
        _write_run(writer, START_MS + 1, "KILLED")


def _write_run(writer: Writer, start_ms: int, status: str) -> None:
    """Every statement of `rows`, and what is there already: tags, points, a later point, an input.
    Values have other letters, are empty, or as long as they may be."""

    def points(metric: str, values: Mapping[int, float]) -> list[Point]:
        return [Point(metric, value, start_ms + step, step) for step, value in values.items()]

    losses = points(keys.TRAIN_LOSS, {step: 5.0 / step for step in range(1, 21)})
    ends = points(keys.TRAIN_PERPLEXITY, {20: 1.5}) + points(keys.NEXT_TOKEN_ACCURACY, {20: 1.0})
    dataset = DatasetInput("text \u4e2d", "ab" * 32, "inline")
    long, short = clip("\u00e4" * (MAX_PARAM + 1), MAX_PARAM), {"optimizer.lr": "1e-05", "none": ""}
    note = clip("\u00a7" * (MAX_TAG + 1), MAX_TAG)
    tags = {keys.RUN_NAME: "lr=0.1 '\u00e4'", keys.USER: "someone", keys.STATE: keys.RUNNING}
    run_id, _ = writer.create(start_ms, {**tags, keys.NOTE: note})
    early = losses[:12] + points(keys.VAL_LOSS, {7: 1.0})
    writer.write(run_id, Batch(early, {**short, "long": long}, {"empty": ""}, dataset))
    late = losses[8:] + points(keys.VAL_LOSS, {5: 9.0}) + ends
    writer.write(run_id, Batch(late, {"late": "7"}, {keys.STATE: "finished"}, dataset))
    writer.end(run_id, status, start_ms + 1000)


def _copy_tables(database: Path, scratch: Path) -> None:
    """The store's tables without their rows, but for those that MLflow opens a store by."""
    with (
        contextlib.closing(sqlite_store.connect(database)) as store,
        contextlib.closing(_connect(scratch)) as new,
    ):
        query = (
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
            "ORDER BY type != 'table'"
        )
        new.execute("BEGIN")
        for (sql,) in store.execute(query):
            new.execute(sql)
        for table in COPIED_ROWS:
            for row in store.execute(f"SELECT * FROM {table}"):
                new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        new.execute("COMMIT")


def _copy(scratch: Path, other: Path) -> None:
    with (
        contextlib.closing(_connect(scratch)) as source,
        contextlib.closing(_connect(other)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = WAL")  # as a store's; rows wait for no disk then


def _connect(scratch: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(scratch, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


@contextlib.contextmanager
def _connections_closed(scratch: Path) -> Iterator[None]:
    """MLflow keeps its connections for as long as the process lives: those to `scratch` do not."""
    engines = set()

    def notice(connection: sqlalchemy.Connection) -> None:
        if connection.engine.url.database == str(scratch):
            engines.add(connection.engine)

    sqlalchemy.event.listen(sqlalchemy.Engine, "engine_connect", notice)
    try:
        with sqlite_store.connected_with(scratch, SCRATCH_PRAGMAS):
            yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "engine_connect", notice)
        for engine in engines:
            engine.dispose()


def _contents(scratch: Path) -> _Contents:
    """The columns and rows of each table, storage types behind the values; made-up ids in order of
    appearance, and runs are the first table."""
    known: dict[str, str] = {}

    def neutral(value: object) -> object:
        if not isinstance(value, str):
            return value
        return MADE_UP.sub(lambda found: known.setdefault(found[0], f"#{len(known)}"), value)

    found: _Contents = {}
    with contextlib.closing(sqlite3.connect(scratch)) as connection:
        for table in schema.TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            pairs = ", ".join(chain(columns, (f"typeof({column})" for column in columns)))
            selected = connection.execute(f"SELECT {pairs} FROM {table} ORDER BY rowid")
            found[table] = columns, [tuple(map(neutral, row)) for row in selected]
    return found


def _compared(ours: _Contents, theirs: _Contents) -> str | None:
    for table, (columns, our_rows) in ours.items():
        their_rows = theirs[table][1]
        if len(our_rows) != len(their_rows):
            return f"{table} has {len(their_rows)} rows, not {len(our_rows)}"
        for our_row, their_row in zip(our_rows, their_rows, strict=True):
            for place, column in enumerate(chain(columns, columns)):
                if our_row[place] != their_row[place]:
                    return f"{table}.{column} differs"
    return None
