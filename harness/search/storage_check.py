"""Whether the storages of a call's searches can be read: found out before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.search.storage_url import storage_url
from harness.spec.sweep_file import Search


def check_storages(searches: Iterable[Search], state_dir: Path) -> None:
    """Raises StoreError: now, not after the hour's training of the experiments.

    Optuna is imported, which takes a second, where there is something to be asked.
    """
    places = dict.fromkeys(storage_url(state_dir, search.config.storage) for search in searches)
    for where in places:
        if where.may_hold_studies():
            from harness.search.storage import close_storage, open_to_read

            storage = open_to_read(where)
            if storage is not None:
                close_storage(storage)
