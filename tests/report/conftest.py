from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.tracking.read import StoredRun


def _stored_run(run_id: str, state: str = "finished", **params: Any) -> StoredRun:
    return StoredRun(
        run_id=run_id,
        name=run_id,
        sweep="sweep",
        experiment="e",
        kind="run",
        fingerprint=f"v1-{run_id}",
        group=None,
        engine="plain",
        state=state,
        status="FINISHED",
        start_time=0,
        end_time=1,
        params={key: str(value) for key, value in params.items()},
        tags={},
        metrics={},
        aliases=(),
        superseded_by=None,
        artifact_uri="",
        mlflow_experiment_id="1",
    )


@pytest.fixture
def stored_run() -> Callable[..., StoredRun]:
    """Makes a record as the store would give it, with some params."""
    return _stored_run
