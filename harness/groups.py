"""The parent run of each group of seeds: the mean over the seeds, and its interval, as curves.

Runs are recorded flat, so that MLflow's chart page draws them while they train. When all seeds of
a group are there, the group gets a parent of kind `group`, and the runs that belong to it are put
under it. Of every metric that its members have at several steps the parent has three curves:
`train/loss` is the mean at each step, `train/loss.low` and `train/loss.high` the ends of the 95 %
t interval. MLflow's pages fold the members away, so a chart there is one line a group.

The parent knows its members, and in which form it was recorded; when either changes, a new one
takes its place and the old one is superseded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.planning import PlannedRun
from harness.report.formats import cell
from harness.report.settings import shared_settings
from harness.report.statistics import CONFIDENCE, Band, t_band
from harness.tracking import keys
from harness.tracking.read import StoredRun
from harness.tracking.record import Outcome, RunToRecord

if TYPE_CHECKING:
    from harness.tracking.recorder import Recorder

FORM = "mean, low, high"  # of the parents that this version records

Curves = Mapping[str, Mapping[int, float]]  # by metric and step
Member = tuple[PlannedRun, StoredRun]


def seed_groups(runs: Sequence[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """The runs that have seeds, by the name of their group, in order."""
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        if run.declared.seed_index is not None:
            groups.setdefault(run.declared.group, []).append(run)
    return groups


def bands(members: Sequence[Curves]) -> dict[str, Band]:
    """The band of every metric that all members have at several steps, by its name."""
    shared = [name for name in members[0] if all(name in curves for curves in members)]
    found = {name: t_band([curves[name] for curves in members]) for name in sorted(shared)}
    return {name: band for name, band in found.items() if len(band.mean) > 1}


def record_group(
    sweep_name: str,
    name: str,
    members: Sequence[Member],
    parents: Sequence[StoredRun],
    curves_of: Callable[[StoredRun], Curves],
    recorder: Recorder,
) -> None:
    """Record the parent of a group whose runs are all done, unless it is there as it should be.

    ``members`` are two or more; ``parents`` are the records of kind `group` in the sweep, and
    ``curves_of`` gives all curves of a record.
    """
    identity = _identity(members)
    known = [p for p in parents if p.name == name and p.superseded_by is None]
    same = [p for p in known if p.tags.get(keys.MEMBERS) == identity and p.is_done]
    if same:
        parent_id = same[0].run_id
    else:
        found = bands([curves_of(stored) for _, stored in members])
        parent_id = recorder.begin(_to_record(sweep_name, name, identity, members, found))
        for metric, band in found.items():
            recorder.add_points(parent_id, metric, band.mean.items())
            recorder.add_points(parent_id, metric + keys.LOW, band.low.items())
            recorder.add_points(parent_id, metric + keys.HIGH, band.high.items())
        recorder.end(parent_id, Outcome("finished"))
        for old in known:
            recorder.supersede(old.run_id, parent_id)
    for run, stored in members:
        owns = stored.name == run.name and stored.sweep == sweep_name
        if owns and stored.tags.get(keys.PARENT_RUN_ID) != parent_id:
            recorder.set_tag(stored.run_id, keys.PARENT_RUN_ID, parent_id)


def _to_record(
    sweep_name: str,
    name: str,
    identity: str,
    members: Sequence[Member],
    found: Mapping[str, Band],
) -> RunToRecord:
    first = members[0][0]
    flat = [run.declared.config.flat() for run, _ in members]
    shared = shared_settings(flat)
    differing = [key for key in flat[0] if key not in shared]
    words = _in_words(len(members), differing, found)
    return RunToRecord(
        name=name,
        sweep=sweep_name,
        experiment=first.declared.experiment,
        kind="group",
        group=first.group,
        engine=first.engine,
        params=shared,
        tags={keys.MEMBERS: identity, keys.MEMBER_RUNS: " ".join(r.run_id for _, r in members)},
        description="\n\n".join(filter(None, (first.declared.config.description, words))),
    )


def _in_words(num_members: int, differing: Sequence[str], found: Mapping[str, Band]) -> str:
    """What the group is and what it came to, as Markdown: MLflow shows it above the record."""
    lines = [
        f"{num_members} runs that differ in {' and '.join(f'`{d}`' for d in differing)} alone."
    ]
    for metric, band in found.items():
        step = max(band.mean)
        line = f"`{metric}` at step {step}: mean {cell(band.mean[step])}"
        if step in band.low and step in band.high:
            low, high = cell(band.low[step]), cell(band.high[step])
            line += f", {100 * CONFIDENCE:g} % interval {low} to {high}"
        lines.append(f"{line}.")
    return " ".join(lines)


def _identity(members: Sequence[Member]) -> str:
    text = " ".join([FORM, *sorted(stored.run_id for _, stored in members)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
