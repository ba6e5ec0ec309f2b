"""The parent run of each group of seeds: one curve, the mean over the seeds.

Runs are recorded flat, so that MLflow's chart page draws them while they train. When all seeds of
a group are there, the group gets a parent of kind `group` whose losses are the means, and the runs
that belong to it are put under it. The parent knows its members; when they change, a new one
takes its place and the old one is superseded.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence

from harness.planning import PlannedRun
from harness.tracking import keys
from harness.tracking.read import StoredRun
from harness.tracking.record import Outcome, RunToRecord
from harness.tracking.recorder import Recorder


def seed_groups(runs: Sequence[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """The runs that have seeds, by the name of their group, in order."""
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        if run.declared.seed_index is not None:
            groups.setdefault(run.declared.group, []).append(run)
    return groups


def mean_curve(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The mean over the curves at every step that all of them have."""
    steps = set(curves[0]).intersection(*curves[1:])
    return {step: statistics.fmean(curve[step] for curve in curves) for step in sorted(steps)}


def record_group(
    sweep_name: str,
    name: str,
    members: Sequence[tuple[PlannedRun, StoredRun]],
    parents: Sequence[StoredRun],
    curve_of: Callable[[str, str], Mapping[int, float]],
    recorder: Recorder,
) -> None:
    """Record the parent of a group whose runs are all done, unless it is there as it should be.

    ``parents`` are the records of kind `group` in the sweep; ``curve_of`` gives the values of a run
    id and a metric by step.
    """
    identity = _identity(members)
    known = [p for p in parents if p.name == name and p.superseded_by is None]
    same = [p for p in known if p.tags.get(keys.MEMBERS) == identity and p.is_done]
    parent_id = same[0].run_id if same else _begin(sweep_name, name, identity, members, recorder)
    if not same:
        for metric in (keys.TRAIN_LOSS, keys.VAL_LOSS):
            curve = mean_curve([curve_of(stored.run_id, metric) for _, stored in members])
            recorder.set_group_curve(parent_id, curve, metric)
        recorder.end(parent_id, Outcome("finished"))
        for old in known:
            recorder.supersede(old.run_id, parent_id)
    for run, stored in members:
        owns = stored.name == run.name and stored.sweep == sweep_name
        if owns and stored.tags.get(keys.PARENT_RUN_ID) != parent_id:
            recorder.set_tag(stored.run_id, keys.PARENT_RUN_ID, parent_id)


def _begin(
    sweep_name: str,
    name: str,
    identity: str,
    members: Sequence[tuple[PlannedRun, StoredRun]],
    recorder: Recorder,
) -> str:
    first = members[0][0]
    flat = [run.declared.config.flat() for run, _ in members]
    shared = {
        key: value for key, value in flat[0].items() if all(f.get(key) == value for f in flat)
    }
    record = RunToRecord(
        name=name,
        sweep=sweep_name,
        experiment=first.declared.experiment,
        kind="group",
        group=first.group,
        engine=first.engine,
        params=shared,
        tags={keys.MEMBERS: identity, keys.MEMBER_RUNS: " ".join(r.run_id for _, r in members)},
        description=f"Mean over {len(members)} seeds. {first.declared.config.description}".strip(),
    )
    return recorder.begin(record)


def _identity(members: Sequence[tuple[PlannedRun, StoredRun]]) -> str:
    text = " ".join(sorted(stored.run_id for _, stored in members))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
