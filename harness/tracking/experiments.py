"""MLflow's experiment of a sweep: made once, then named by id.

MLflow's `set_experiment` in a race puts the loser's run silently into "Default", so the experiment
is created here, a lost race is recognised by its error, and the id is passed everywhere. Artifacts
go to a folder of ours whose name cannot leave the store, whatever the sweep is called.
"""

from __future__ import annotations

import hashlib
import re

from harness.errors import StoreError, show
from harness.tracking import keys
from harness.tracking.mlflow_api import Experiment, MlflowException
from harness.tracking.store import Store
from harness.tracking.told import redacted, told

ARTIFACTS_FOLDER = "artifacts"
MAX_SLUG = 80
# MLflow's limits on an experiment's tags, in characters.
MAX_NOTE = 20_000


def ensure_mlflow_experiment(store: Store, sweep_name: str, description: str = "") -> str:
    """The id of the sweep's MLflow experiment, created when it is not there.

    Raises StoreError when it was deleted in MLflow.
    """
    with told(store.uri, "read the experiment"):
        found = store.client.get_experiment_by_name(sweep_name)
    if found is None:
        return _create(store, sweep_name, description)
    if found.lifecycle_stage != "active":
        raise StoreError(_deleted(store, found))
    _set_tags(store, found, _tags(sweep_name, description))
    return str(found.experiment_id)


def slug(name: str) -> str:
    """A folder's name for `name`: itself where that is safe, else cleaned, with a hash behind.

    >>> slug("chapter-14"), slug("../etc")
    ('chapter-14', 'etc-f7f9121f')
    """
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("._-")[:MAX_SLUG]
    if cleaned == name:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{cleaned}-{digest}" if cleaned else digest


def _create(store: Store, sweep_name: str, description: str) -> str:
    with told(store.uri, f"create the experiment {show(sweep_name)}"):
        try:
            created = store.client.create_experiment(
                sweep_name,
                artifact_location=_artifact_location(store, sweep_name),
                # The lease is there from the start: of two that add a tag at once, one would fail.
                tags={
                    **_tags(sweep_name, description),
                    **({} if store.is_local else {keys.LEASE: ""}),
                },
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = store.client.get_experiment_by_name(sweep_name)
            assert found is not None
            return str(found.experiment_id)
    return str(created)


def _artifact_location(store: Store, sweep_name: str) -> str | None:
    """A folder beside the database; a server decides for itself."""
    if store.is_server:
        return None
    home = store.database.parent if store.database else store.state_dir
    return (home / ARTIFACTS_FOLDER / slug(sweep_name)).as_uri()


def _tags(sweep_name: str, description: str) -> dict[str, str]:
    tags = {keys.SWEEP: sweep_name, keys.EXPERIMENT_KIND: "custom_model_development"}
    return {**tags, keys.NOTE: description[:MAX_NOTE]} if description else tags


def _set_tags(store: Store, experiment: Experiment, tags: dict[str, str]) -> None:
    """Bring an existing experiment's tags up to date; a second identical sweep writes nothing."""
    with told(store.uri, "describe the experiment"):
        for key, value in tags.items():
            if experiment.tags.get(key) != value:
                store.client.set_experiment_tag(experiment.experiment_id, key, value)


def _deleted(store: Store, experiment: Experiment) -> str:
    return (
        f"{redacted(store.uri)}: the experiment {show(experiment.name)} was deleted in MLflow; "
        f"restore it with `MLFLOW_TRACKING_URI='{redacted(store.uri)}' mlflow experiments restore "
        f"-x {experiment.experiment_id}`, or give the sweep file another `name`"
    )


def sweeps(store: Store) -> list[tuple[str, str]]:
    """The sweeps of a store, the one changed last at the end: (name, id of MLflow's experiment)."""
    with told(store.uri, "read the experiments"):
        found = store.client.search_experiments(order_by=["creation_time ASC"])
    return [(e.name, str(e.experiment_id)) for e in found if keys.SWEEP in e.tags]
