"""Which of the two ways to write a store gets."""

from __future__ import annotations

from collections.abc import Callable

from harness.tracking.rows import RowWriter, why_not
from harness.tracking.store import Store
from harness.tracking.writers import ClientWriter, Writer

Tell = Callable[[str], None]


def no_one(_text: str) -> None:
    """Hears what is told where nobody listens."""


def writer_for(store: Store, experiment_id: str, tell: Tell = no_one) -> Writer:
    """Rows for a local store whose tables are known, MLflow's client for every other."""
    client = ClientWriter(store, experiment_id)
    if store.database is None:
        return client
    reason = why_not(store.database)
    if reason is not None:
        tell(f"runs are recorded through MLflow's client, some fifteen times slower: {reason}")
        return client
    return RowWriter(store.database, experiment_id, client)
