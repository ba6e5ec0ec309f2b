"""How what is recorded of a run reaches its store: at once, and an error where that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from harness.tracking import artifacts
from harness.tracking.store import Store
from harness.tracking.writers import Batch, Writer


class Delivery(Protocol):
    """Brings records to a store, in the order in which they are given; raises StoreError."""

    def write(self, run_id: str, batch: Batch) -> None:
        """See `Writer`."""

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """See `Writer`."""

    def publish(self, run_id: str, artifact_uri: str, staged_dir: Path, name: str) -> None:
        """See `artifacts.publish`."""

    def remove(self, run_id: str, artifact_uri: str, name: str) -> bool:
        """See `artifacts.remove`."""

    def add_text(self, run_id: str, artifact_uri: str, text: str, name: str) -> None:
        """See `artifacts.add_text`."""

    def look_up(self) -> None:
        """See `Writer`."""

    def commit(self) -> None:
        """Have what waits for more of it (see `Writer.batched`) written now."""

    def settle(self) -> None:
        """Return when everything that was given is in the store."""


class AtOnce:
    """Delivers while it is asked to."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self.write, self.end = writer.write, writer.end
        self.look_up, self.commit, self.settle = writer.look_up, writer.commit, writer.commit

    def publish(
        self,
        run_id: str,  # noqa: ARG002 - whoever delivers late keeps the order of a run's records
        artifact_uri: str,
        staged_dir: Path,
        name: str,
    ) -> None:
        """See `Delivery`."""
        artifacts.publish(self._store, artifact_uri, staged_dir, name)

    def remove(self, run_id: str, artifact_uri: str, name: str) -> bool:
        """See `Delivery`."""
        return artifacts.remove(self._store, run_id, artifact_uri, name)

    def add_text(self, run_id: str, artifact_uri: str, text: str, name: str) -> None:
        """See `Delivery`."""
        artifacts.add_text(self._store, run_id, artifact_uri, text, name)
