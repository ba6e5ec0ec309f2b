"""Which of the two ways to write a store gets."""

from __future__ import annotations

from pathlib import Path

from harness.tracking import canary, schema
from harness.tracking.mlflow_api import mlflow
from harness.tracking.rows import RowWriter
from harness.tracking.store import Store
from harness.tracking.tell import Tell, no_one
from harness.tracking.writers import ClientWriter, Writer


def writer_for(store: Store, experiment_id: str, tell: Tell = no_one) -> Writer:
    """Rows for a local store whose tables are known, where MLflow writes the same; MLflow's client
    for every other."""
    client = ClientWriter(store, experiment_id)
    if store.database is None:
        return client
    reason = _why_not(store.database, store.state_dir / ".cache")
    if reason is not None:
        tell(f"runs are recorded through MLflow's client, some fifteen times slower: {reason}")
        return client
    return RowWriter(store.database, experiment_id, client)


def _why_not(database: Path, cache: Path) -> str | None:
    """Why a store's rows are not written here; None where its tables are known, and the rows are
    those of this MLflow."""
    if not schema.is_known(database):
        return "its tables are not those of MLflow alone"
    found = canary.difference(database, cache)
    if found is None:
        return None
    return (
        f"of MLflow {mlflow.__version__} it is not known what rows it writes: in a canary, {found}"
    )
