"""Delivery to a server that may be away: training goes on, and what it records waits on the disk.

A record is given to the server once; where no answer comes it is put into the outbox, and so is all
that follows, which is tried again from time to time. What a process that died left in its outbox,
the next call delivers first: runs that had ended are not trained again. A run that another process
has gone on with since is that one's, and what waits for it is let go. So is a damaged record with
all that came after it: its runs were not told as ended, and go on from their checkpoints.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import StoreError, escape, shorten
from harness.tracking import client_reader, keys, trouble
from harness.tracking.delivery import AtOnce, Delivery
from harness.tracking.environment import writer_id
from harness.tracking.inside import require_inside
from harness.tracking.lock import STATE_FOLDER
from harness.tracking.mlflow_api import MlflowException
from harness.tracking.outbox import DamagedLetter, Letter, Outbox
from harness.tracking.patience import (
    Patience,
    ServerAway,
    patient,
    pauses,
    server_timeout_s,
)
from harness.tracking.record import DatasetInput
from harness.tracking.store import Store
from harness.tracking.tell import Tell
from harness.tracking.told import redacted
from harness.tracking.writers import Batch, ClientWriter, Point, Writer

OUTBOX = "outbox"  # in `.state`


class Late:
    """Delivers to a server, later where that is away; see `Delivery`.

    The store's client gives up at once: see `patient`.
    """

    def __init__(
        self, store: Store, experiment_id: str, outbox: Outbox, patience: Patience
    ) -> None:
        self._store, self._outbox, self._patience = store, outbox, patience
        self._at_once = AtOnce(store, ClientWriter(store, experiment_id))
        self._writer = writer_id(store.state_dir)
        self._left = len(outbox)  # by an earlier process; they are the first
        self._let_go: dict[str, bool] = {}  # their runs, once it is known of each
        self._pauses, self._next_try = pauses(), 0.0
        self._away_since: float | None = None

    def write(self, run_id: str, batch: Batch) -> None:
        """See `Writer`."""
        dataset = batch.dataset
        self._send(
            Letter(
                run_id,
                "write",
                {
                    "points": list(batch.points),
                    "params": dict(batch.params),
                    "tags": dict(batch.tags),
                    "dataset": [dataset.name, dataset.digest, dataset.source] if dataset else None,
                },
            )
        )

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """See `Writer`."""
        self._send(Letter(run_id, "end", {"status": status, "end_ms": end_ms}))

    def publish(self, run_id: str, artifact_uri: str, staged_dir: Path, name: str) -> None:
        """See `Delivery`."""
        arguments = {"artifact_uri": artifact_uri, "name": name}
        self._send(Letter(run_id, "publish", arguments, staged_dir))

    def remove(self, run_id: str, artifact_uri: str, name: str) -> bool:
        """See `Delivery`; what waits is taken for removed."""
        return self._send(Letter(run_id, "remove", {"artifact_uri": artifact_uri, "name": name}))

    def add_text(self, run_id: str, artifact_uri: str, text: str, name: str) -> None:
        """See `Delivery`."""
        arguments = {"artifact_uri": artifact_uri, "text": text, "name": name}
        self._send(Letter(run_id, "add_text", arguments))

    def look_up(self) -> None:
        """See `Delivery`; what waits here waits for the server."""

    def commit(self) -> None:
        """See `Delivery`; as `look_up`."""

    def settle(self) -> None:
        """See `Delivery`; waits for the server, and raises StoreError when that takes too long."""
        if self._outbox and self._patience.keep_asking(self._deliver):
            self._is_back()

    def _send(self, letter: Letter) -> bool:
        if not self._outbox:
            try:
                return self._hand_over(letter)
            except ServerAway as error:
                self._is_away(error)
        with self._disk():
            self._outbox.add(letter)
        if time.monotonic() >= self._next_try:
            self._try()
        return True

    def _try(self) -> None:
        try:
            if self._deliver():
                self._is_back()
        except ServerAway:
            self._next_try = time.monotonic() + next(self._pauses)

    def _deliver(self) -> bool:
        """Hand over what waits; False where that ended at a damaged record. Raises ServerAway."""
        self._patience.require()
        with self._disk(), self._damage():
            for number, letter in self._outbox.letters():
                if self._left:
                    self._hand_over_left(letter)
                else:
                    self._hand_over(letter)
                self._outbox.remove(number)
                self._left = max(self._left - 1, 0)
            return True
        return False

    def _hand_over_left(self, letter: Letter) -> None:
        """Hand over what an earlier process left, unless its run is another's by now, or something
        of it was refused."""
        run_id = letter.run_id
        if run_id not in self._let_go:
            why = self._why_not_ours(run_id)
            self._let_go[run_id] = why is not None
            if why is not None:
                self._tell_let_go(run_id, why)
        if not self._let_go[run_id]:
            try:
                self._hand_over(letter)
            except ServerAway:
                raise
            except StoreError as error:
                self._let_go[run_id] = True
                self._tell_let_go(run_id, str(error))

    def _tell_let_go(self, run_id: str, why: str) -> None:
        self._patience.tell(f"run {run_id}: what waited for the server is let go: {why}")

    def _hand_over(self, letter: Letter) -> bool:
        run_id, arguments = letter.run_id, dict(letter.arguments)
        if letter.action == "write":
            points = [Point(*point) for point in arguments.pop("points")]
            dataset = arguments.pop("dataset")
            dataset = DatasetInput(*dataset) if dataset else None
            self._at_once.write(run_id, Batch(points, dataset=dataset, **arguments))
        elif letter.action == "publish":
            if letter.folder is not None:  # else it was uploaded before a kill
                self._at_once.publish(run_id, staged_dir=letter.folder, **arguments)
        elif letter.action == "remove":
            return self._at_once.remove(run_id, **arguments)
        elif letter.action == "add_text":
            self._at_once.add_text(run_id, **arguments)
        else:
            self._at_once.end(run_id, **arguments)
        return True

    def _why_not_ours(self, run_id: str) -> str | None:
        """Why what an earlier process left for a run is no longer to be delivered, if so."""
        try:
            run = client_reader.read_run(self._store, run_id)
        except MlflowException as error:
            return shorten(str(error), 200)
        if run.tags.get(keys.WRITER) != self._writer:
            return "another process has gone on with it, or the folder was moved"
        return None

    def _is_away(self, error: ServerAway) -> None:
        self._away_since = now = time.monotonic()
        self._pauses = pauses()
        self._next_try = now + next(self._pauses)
        self._patience.tell(
            f"{redacted(self._store.uri)}: no answer ({error.why}); training goes on, and what it "
            f"records waits in {escape(str(self._outbox.folder))}"
        )

    def _is_back(self) -> None:
        where = redacted(self._store.uri)
        if self._away_since is None:
            self._patience.tell(f"{where}: what waited for it since an earlier call is recorded")
            return
        waited_s = time.monotonic() - self._away_since
        self._patience.tell(
            f"{where}: answers again after {waited_s:.0f} s; what waited is recorded"
        )

    @contextlib.contextmanager
    def _damage(self) -> Iterator[None]:
        """Left by an earlier process, the rest is let go; of this one, its runs are not whole."""
        try:
            yield
        except DamagedLetter as error:
            if not self._left:
                raise
            self._patience.tell(f"{error}; it and what came after it is let go")
            self._outbox.clear()
            self._left = 0

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            folder = self._outbox.folder
            why = trouble.reason(folder, str(error)) or error.strerror
            raise StoreError(
                f"{escape(str(folder))}: cannot keep what is recorded: {why}"
            ) from error


def delivery_for(
    store: Store, experiment_id: str, writer: Writer, tell: Tell, require: Callable[[], None]
) -> Delivery:
    """How records of one of MLflow's experiments reach a store: late where that is a server.

    What an earlier call left waiting is delivered first. Raises StoreError.
    """
    if not store.is_server:
        return AtOnce(store, writer)
    impatient = patient(store, tell, require, timeout_s=0)
    name = hashlib.sha256(f"{store.uri} {experiment_id}".encode()).hexdigest()[:16]
    folder = store.state_dir / STATE_FOLDER / OUTBOX / name
    require_inside(folder, store.state_dir)
    delivery = Late(
        impatient,
        experiment_id,
        Outbox(folder),
        Patience(store.uri, tell, require, server_timeout_s()),
    )
    delivery.settle()
    return delivery
