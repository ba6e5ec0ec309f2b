"""Which checkpoints become logged models of MLflow: few, the ones that someone would look for.

Of each experiment its best run, and of each search its best trial; of such a run the best and the
last of the checkpoints that it has. With many experiments the best of those runs, for a logged
model costs 25 times what a run costs. What was logged stays as long as its run does, so a run that
is no longer the best keeps its models.

Best is by `val/loss` where there is one, else by `train/loss`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.tracking import artifacts, keys
from harness.tracking.models import CheckpointModel
from harness.tracking.read import StoredRun, all_histories
from harness.tracking.store import Store

MAX_RUNS = 10
LOSSES = (keys.VAL_LOSS, keys.TRAIN_LOSS)  # the first that all have decides


def best_runs(families: Iterable[Sequence[StoredRun]]) -> list[StoredRun]:
    """The best finished run of each family, the best of them first, at most `MAX_RUNS`."""
    found = [ranked[0] for runs in families if (ranked := _sorted(runs))]
    return _sorted({run.run_id: run for run in found}.values())[:MAX_RUNS]


def checkpoint_models(store: Store, run: StoredRun) -> list[CheckpointModel]:
    """The best and the last of a run's checkpoints; one where they are the same."""
    names = artifacts.names(store, run.artifact_uri)
    steps = {artifacts.step_of(name): name for name in names}
    if not steps:
        return []
    curves = all_histories(store, run)
    roles = {max(steps): ["final"]}
    best = _best_step(steps, curves)
    if best is not None:
        roles.setdefault(best, []).insert(0, "best")
    return [
        CheckpointModel(
            run,
            steps[step],
            tuple(roles[step]),
            {metric: curve[step] for metric, curve in curves.items() if step in curve},
        )
        for step in sorted(roles)
    ]


def _sorted(runs: Iterable[StoredRun]) -> list[StoredRun]:
    finished = [run for run in runs if run.state == "finished"]
    for loss in LOSSES:
        if all(loss in run.metrics for run in finished):
            return sorted(finished, key=lambda run: run.metrics[loss])
    return []


def _best_step(steps: Iterable[int], curves: Mapping[str, Mapping[int, float]]) -> int | None:
    """Of equal losses the later step."""
    for loss in LOSSES:
        curve = curves.get(loss, {})
        if all(step in curve for step in steps):
            return min(steps, key=lambda step: (curve[step], -step))
    return None
