"""A run's rows written into a local store directly: what MLflow's client calls come to, in 2 ms.

The client takes 44 ms for a run of 200 steps (create_run 8, log_inputs 4, log_batch 29,
set_terminated 4), nearly all of it Python around the rows; a run of a stack trains in 6. Here each
call, or some of them together, is one transaction with the same rows in the same eight tables, so
nothing is ever seen half.

Guarantees: only tables whose SQL is known, to the letter, are written (see `schema`), and only
where this MLflow's client was seen to write the same rows (see `canary`); what is out of the
ordinary (a name that MLflow might refuse, a param that is there already, a run that is deleted) is
left to the client, which then does it or says why not. A test compares the tables, but for
workspaces and tags of experiments, after nasty runs both ways.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from harness.errors import StoreError, escape, show
from harness.interrupts import shielded
from harness.tracking import keys, trouble
from harness.tracking import row_statements as sql
from harness.tracking.sqlite_store import busy_timeout_pragma
from harness.tracking.writers import Batch, Point, Writer, dataset_row

MAX_KEY = 250
AFTER_TROUBLE_MS = 500
MOST_WAITING, LONGEST_WAIT_S = 64, 0.5
# Of what MLflow allows in a key, the part that needs no second thought.
PLAIN_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
PLAIN_LOCATION = re.compile(r"file:///[^?#;]*[^?#;/]")


class _OutOfTheOrdinaryError(Exception):
    """The client is to do it."""


class _TroubleError(StoreError):
    """A lock, or the disk: for the time being nothing can be written, whatever it is."""


class _Step(NamedTuple):
    """One thing to write: by rows, or by the client where those are out of the ordinary."""

    run_id: str
    rows: Callable[[sqlite3.Connection], object]
    client: Callable[[], object]


class RowWriter:
    """Writes the rows of one experiment's runs; ``client`` does what is out of the ordinary.

    In a `batched` block what is written waits for more of it, for half a second where it is asked
    to `look_up`: a stack of short runs is some sixteen of them a transaction, which saves a
    quarter.
    """

    def __init__(self, database: Path, experiment_id: str, client: Writer) -> None:
        self._connection, self._database = _connect(database), database
        weakref.finalize(self, self._connection.close)
        self._experiment_id, self._client = int(experiment_id), client
        self._is_batching, self._waiting_since = False, 0.0
        self._waiting: list[_Step] = []

    def create(self, start_ms: int, tags: Mapping[str, str]) -> tuple[str, str]:
        """See `Writer`."""
        try:
            found = self._connection.execute(
                sql.ACTIVE_EXPERIMENT, (self._experiment_id,)
            ).fetchone()
            location = found[0] if found else ""
            if not PLAIN_LOCATION.fullmatch(location) or len(tags[keys.RUN_NAME]) > MAX_KEY:
                raise _OutOfTheOrdinaryError
            _require_plain(tags)
        except (_OutOfTheOrdinaryError, sqlite3.Error):
            return self._client.create(start_ms, tags)
        run_id = uuid.uuid4().hex
        uri = f"{location}/{run_id}/artifacts"
        insert = partial(self._create, run_id=run_id, uri=uri, start_ms=start_ms, tags=tags)
        self._do(_Step(run_id, insert, partial(self._cannot_create, tags[keys.RUN_NAME])))
        return run_id, uri

    def write(self, run_id: str, batch: Batch) -> None:
        """See `Writer`."""
        insert = partial(self._write, run_id=run_id, batch=batch)
        self._do(_Step(run_id, insert, partial(self._client.write, run_id, batch)))

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """See `Writer`."""
        update = partial(_end, run_id=run_id, status=status, end_ms=end_ms)
        self._do(_Step(run_id, update, partial(self._client.end, run_id, status, end_ms)))

    @contextlib.contextmanager
    def batched(self) -> Iterator[None]:
        """See `Writer`."""
        self._is_batching = True
        try:
            yield
            self.commit()
        except BaseException:
            with contextlib.suppress(StoreError):  # what was raised says more
                self.commit()
            raise
        finally:
            self._is_batching = False

    def commit(self) -> None:
        """See `Writer`; one by one where together they cannot be written."""
        if not self._waiting:
            return
        with shielded():
            try:
                with self._transaction() as connection:
                    for step in self._waiting:
                        step.rows(connection)
                self._waiting = []
            except (_OutOfTheOrdinaryError, sqlite3.Error):
                self._write_each()

    def _write_each(self) -> None:
        """What waits, in transactions of its own. A run that is refused keeps none of the others
        back; it is told when they are written."""
        refused: dict[str, StoreError] = {}
        while self._waiting:
            step = self._waiting[0]
            try:
                if step.run_id not in refused:
                    self._write_one(step)
            except _TroubleError:
                raise
            except StoreError as error:
                refused[step.run_id] = error
            self._waiting.pop(0)
        if refused:
            raise next(iter(refused.values()))

    def _do(self, step: _Step) -> None:
        if not self._is_batching:
            self.commit()  # what a lock left waiting came before
            self._write_one(step)
            return
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append(step)
        if len(self._waiting) >= MOST_WAITING:
            self.commit()
        self.look_up()

    def look_up(self) -> None:
        """See `Writer`."""
        if self._waiting and time.monotonic() - self._waiting_since > LONGEST_WAIT_S:
            self.commit()

    def _write_one(self, step: _Step) -> None:
        try:
            with self._transaction() as connection:
                step.rows(connection)
        except (_OutOfTheOrdinaryError, sqlite3.Error):
            step.client()

    def _create(
        self,
        connection: sqlite3.Connection,
        run_id: str,
        uri: str,
        start_ms: int,
        tags: Mapping[str, str],
    ) -> None:
        name, user = tags[keys.RUN_NAME], tags.get(keys.USER, "unknown")
        connection.execute(sql.INSERT_RUN, (run_id, name, user, start_ms, uri, self._experiment_id))
        connection.executemany(
            sql.INSERT_TAG, [(key, value, run_id) for key, value in tags.items()]
        )

    def _cannot_create(self, name: str) -> None:
        where = escape(str(self._database))
        raise StoreError(f"{where}: cannot begin the run {show(name)}: its rows were refused")

    def _write(self, connection: sqlite3.Connection, run_id: str, batch: Batch) -> None:
        _require_plain(batch.tags)
        _require_plain(batch.params)
        _require_plain({point.metric for point in batch.points})
        if (
            keys.RUN_NAME in batch.tags
            or not connection.execute(sql.ACTIVE_RUN, (run_id, self._experiment_id)).fetchone()
        ):
            raise _OutOfTheOrdinaryError
        if batch.dataset is not None:
            self._write_input(connection, run_id, *dataset_row(batch.dataset))
        params = [(key, value, run_id) for key, value in batch.params.items()]
        connection.executemany(sql.INSERT_PARAM, params)
        connection.executemany(sql.INSERT_METRIC, [(*point, run_id) for point in batch.points])
        latest = [(*point, run_id) for point in _latest(batch)]
        connection.executemany(sql.INSERT_LATEST, latest)
        connection.executemany(
            sql.INSERT_TAG, [(key, value, run_id) for key, value in batch.tags.items()]
        )

    def _write_input(
        self, connection: sqlite3.Connection, run_id: str, name: str, digest: str, source: str
    ) -> None:
        experiment, input_id = self._experiment_id, uuid.uuid4().hex
        made = (uuid.uuid4().hex, experiment, name, digest, source)
        connection.execute(sql.INSERT_DATASET, made)
        used = connection.execute(sql.INSERT_INPUT, (input_id, run_id, experiment, name, digest))
        if used.rowcount == 1:
            connection.execute(sql.INSERT_INPUT_TAG, (input_id, keys.CONTEXT, keys.TRAINING))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; locked at once, so that no other writer comes between.

        What no client could do better (a lock, a full disk) is raised as StoreError.
        """
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                self._raise_trouble(error)
            raise

    def _raise_trouble(self, error: sqlite3.Error) -> None:
        reason = trouble.reason(self._database, str(error))
        if reason is not None:
            # Waited for in vain once: the ends of all open runs do not wait as long again.
            self._connection.execute(f"PRAGMA busy_timeout = {AFTER_TROUBLE_MS}")
            where = escape(str(self._database))
            raise _TroubleError(f"{where}: cannot write to the store: {reason}") from error


def _end(connection: sqlite3.Connection, run_id: str, status: str, end_ms: int) -> None:
    if connection.execute(sql.END_RUN, (status, end_ms, run_id)).rowcount != 1:
        raise _OutOfTheOrdinaryError


def _connect(database: Path) -> sqlite3.Connection:
    """Transactions are begun by hand. The finalizer closes it, from whichever thread that is.

    Ids are random, so that a run's rows lie all over the indexes: a cache of 64 MB instead of 2,
    and a copy of the log into the file after 32 MB instead of 4, save a quarter.
    """
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    for pragma in (
        "foreign_keys = ON",
        "synchronous = NORMAL",
        "cache_size = -65536",
        "wal_autocheckpoint = 8000",
        busy_timeout_pragma(),
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _require_plain(names: Mapping[str, str] | set[str]) -> None:
    if not all(len(name) <= MAX_KEY and PLAIN_KEY.fullmatch(name) for name in names):
        raise _OutOfTheOrdinaryError


def _latest(batch: Batch) -> list[Point]:
    """The greatest point of each metric, by step, time and value."""
    latest: dict[str, Point] = {}
    for point in batch.points:
        known = latest.get(point.metric)
        if known is None or point.step > known.step or _order(point) > _order(known):
            latest[point.metric] = point
    return list(latest.values())


def _order(point: Point) -> tuple[int, int, float]:
    return point.step, point.timestamp, point.value
