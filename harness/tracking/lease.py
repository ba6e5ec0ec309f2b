"""One process a sweep on a store that hosts share: a lease in a tag of MLflow's experiment.

Hosts have no lock in common, so who runs a sweep says so in the tag `harness.lease`, again and
again while it runs. MLflow cannot compare and set in one step: a taker writes its lease, waits,
and reads it again, and of two at once the one that wrote last has it. A holder whose heart stands
still is watched for longer than two beats before its lease is taken, for clocks differ; one that
was only asleep finds, before it writes anything more, that the lease is another's, and stops.

Other sweeps of the store are others' to run. A local store needs none of this: see `lock`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from harness.errors import StoreError, StoreInUse
from harness.tracking import keys
from harness.tracking.heartbeat import heartbeat
from harness.tracking.holder import EXPIRES_S, INTERVAL_S, Holder
from harness.tracking.lock import WHAT_TO_DO
from harness.tracking.mlflow_api import redacted, told
from harness.tracking.store import Store

SETTLE_S = 1.0
"""Between writing a lease and reading it again: longer than a write takes."""
POLL_S = 1.0


class Lease:
    """This process's lease of a sweep; ``check`` before anything is written."""

    def __init__(self, store: Store, experiment_id: str) -> None:
        self.store, self.experiment_id = store, experiment_id
        self.holder = Holder.this()

    def take(self, *, wait: bool, say: Callable[[str], None]) -> None:
        """Take the lease; StoreInUse where another has it, unless told to ``wait`` for it."""
        while True:
            other = self._read()
            if other is not None and self._is_alive(other, say):
                if not wait:
                    raise StoreInUse(self._in_use_by(other))
                time.sleep(POLL_S)
                continue
            self._write(self.holder.to_json())
            time.sleep(SETTLE_S)
            if self._is_ours(self._read()):
                return

    def release(self) -> None:
        """Give it back, unless another has taken it."""
        if self._is_ours(self._read()):
            self._write("")

    def check(self) -> None:
        """StoreInUse where another took the lease while this process stood still."""
        if self.holder.silent_s(time.time()) > EXPIRES_S / 2:
            self._beat()

    def beat(self) -> None:
        """A heartbeat; what is wrong with the store is for the sweep to meet."""
        with contextlib.suppress(StoreError):
            self._beat()

    def _beat(self) -> None:
        found = self._read()
        if not self._is_ours(found):
            who = found.describe(0) if found else "another process"
            raise StoreInUse(
                f"{redacted(self.store.uri)}: {who} took this sweep over while this process stood "
                "still; run it again when that one is done"
            )
        self.holder = self.holder.beating()
        self._write(self.holder.to_json())

    def _is_ours(self, found: Holder | None) -> bool:
        return found is not None and found.token == self.holder.token

    def _is_alive(self, other: Holder, say: Callable[[str], None]) -> bool:
        if other.is_here:
            return not other.is_dead
        if other.silent_s(time.time()) <= EXPIRES_S:
            return True
        watched_s = 2.5 * INTERVAL_S
        say(f"{other.describe(0)}, has this sweep and seems dead: watched for {watched_s:.0f} s")
        until = time.monotonic() + watched_s
        while time.monotonic() < until:
            time.sleep(POLL_S)
            now = self._read()
            if now != other:
                return now is not None
        return False

    def _in_use_by(self, other: Holder) -> str:
        who = other.describe(other.silent_s(time.time()) if other.is_here else 0)
        return f"{redacted(self.store.uri)}: this sweep is being run by {who}; {WHAT_TO_DO}"

    def _read(self) -> Holder | None:
        """Who has the lease; None where it is free."""
        with told(self.store.uri, "read who runs this sweep"):
            experiment = self.store.client.get_experiment(self.experiment_id)
        return Holder.read(experiment.tags.get(keys.LEASE))

    def _write(self, text: str) -> None:
        with told(self.store.uri, "say that this process runs this sweep"):
            self.store.client.set_experiment_tag(self.experiment_id, keys.LEASE, text)


@contextlib.contextmanager
def leased(
    store: Store, experiment_id: str, *, wait: bool, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """Have the lease of a sweep while the block runs; gives what checks it before a write.

    On a local store, which the kernel's lock covers, it does nothing. Raises StoreInUse where
    another process has it and ``wait`` is not set, and StoreError.
    """
    if store.is_local:
        yield lambda: None
        return
    lease = Lease(store, experiment_id)
    lease.take(wait=wait, say=say)
    try:
        with heartbeat(lease.beat, INTERVAL_S):
            yield lease.check
    finally:
        with contextlib.suppress(StoreError):  # who is dead is found out without it
            lease.release()
