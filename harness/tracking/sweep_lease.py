"""The lease of a sweep on a shared store: a tag of its MLflow experiment.

The kernel's lock ends at one directory of one host (see `lock`); a server or a database is shared
by many. So the sweep itself is leased there: two different sweeps may run at once, of one sweep
only one. MLflow cannot compare and swap a tag, so a taker writes itself and reads again; see
`lease`. MLflow's client is safe to use from the heartbeat's thread: connections come from pools
(of `requests`, of SQLAlchemy), and each call has its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harness.errors import show
from harness.tracking import keys
from harness.tracking.holder import Holder
from harness.tracking.lease import Lease, take
from harness.tracking.store import Store
from harness.tracking.tell import Tell
from harness.tracking.told import redacted, told


class ExperimentTag:
    """The place of a sweep's lease in the store."""

    is_settled_at_once = False

    def __init__(self, store: Store, experiment_id: str, sweep_name: str) -> None:
        self._store, self._experiment_id, self._sweep_name = store, experiment_id, sweep_name
        self.held = f"{redacted(store.uri)}: the sweep {show(sweep_name)}"

    def read(self) -> str:
        """See `Place`."""
        with told(self._store.uri, "read the sweep's lease"):
            tags = self._store.client.get_experiment(self._experiment_id).tags
        return str(tags.get(keys.LEASE, ""))

    def write(self, text: str) -> None:
        """See `Place`."""
        with told(self._store.uri, "write the sweep's lease"):
            self._store.client.set_experiment_tag(self._experiment_id, keys.LEASE, text)

    def wake(self) -> None:
        """See `Place`; the tag is there already, with this value."""
        with told(self._store.uri, "write to the sweep's experiment"):
            self._store.client.set_experiment_tag(self._experiment_id, keys.SWEEP, self._sweep_name)

    def heeds(self, found: Holder | None) -> bool:  # noqa: ARG002 - nothing else decides here
        """Whoever it is: no lock of a kernel says more."""
        return True


@contextlib.contextmanager
def hold_sweep(
    store: Store, experiment_id: str, sweep_name: str, *, wait: bool, tell: Tell
) -> Iterator[Lease]:
    """Hold one sweep of a shared store; with `wait`, wait until it is free.

    Raises StoreInUse, with the holder's pid and host, when a living process has it.
    """
    assert not store.is_local
    lease = take(ExperimentTag(store, experiment_id, sweep_name), wait=wait, tell=tell)
    try:
        yield lease
    finally:
        lease.release()
