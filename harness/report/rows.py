"""What is compared with what: a row is a run, or a group of runs that differ in nothing but seeds.

A group is formed of the runs of one experiment whose settings are all the same but `seed.model`
and `seed.data`, whether `seeds` or a matrix gave them; it is called by the run's name without the
seed. Runs of other experiments have other names, and stay rows of their own.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

from harness.report.settings import shared_settings
from harness.tracking.read import StoredRun

Curve = Mapping[int, float]
Seed = tuple[str, str]

SEED_SETTINGS = ("seed.model", "seed.data")
_SEED_PART = re.compile(r"(?<=[/,])(seed|seed\.model|seed\.data|model|data)=\d+(,|$)")


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """A run under the name it is compared by; ``group`` is its group's name where it has seeds.

    ``row`` tells rows of one name apart, as a store may hold them; runs of a group share it.
    """

    name: str
    experiment: str
    record: StoredRun
    group: str | None = None
    row: str = ""

    @property
    def seed(self) -> Seed:
        """Of the weights and of the batches, as text: what pairs it with another row's run."""
        model, data = (self.record.params.get(path, "") for path in SEED_SETTINGS)
        return model, data

    def final(self, metric: str) -> float:
        """The metric at its last step, where the run finished and it is finite; else NaN."""
        value = self.record.metrics.get(metric, math.nan)
        finished = self.record.state == "finished" and math.isfinite(value)
        return value if finished else math.nan


@dataclasses.dataclass(frozen=True)
class Row:
    """One run, or the runs of a group, under the name that the table shows."""

    name: str
    runs: tuple[ComparedRun, ...]

    @property
    def experiment(self) -> str:
        """The experiment of all its runs."""
        return self.runs[0].experiment

    @property
    def settings(self) -> dict[str, str]:
        """The settings that its runs share, by their dotted paths."""
        return shared_settings([run.record.params for run in self.runs])

    @property
    def num_diverged(self) -> int:
        """Runs whose loss became NaN or infinite."""
        return sum(run.record.state == "diverged" for run in self.runs)

    def finals(self, metric: str) -> dict[Seed, float]:
        """The last values of those that finished, by their seeds."""
        found = {run.seed: run.final(metric) for run in self.runs}
        return {seed: value for seed, value in found.items() if not math.isnan(value)}


def rows_of(runs: Sequence[ComparedRun]) -> list[Row]:
    """The rows of a table, in the order of their first runs."""
    rows: dict[tuple[str, str], list[ComparedRun]] = {}
    for run in runs:
        rows.setdefault((run.group or run.name, run.row), []).append(run)
    return [Row(name, tuple(members)) for (name, _), members in rows.items()]


def with_seed_groups(runs: Sequence[ComparedRun], *, by_sweep: bool = False) -> list[ComparedRun]:
    """The runs, those that differ in nothing but seeds with the name of their group.

    What is in a group already stays there. A run that stands in the table under two names is of
    two rows, and of no group but its own. With ``by_sweep`` only runs that one sweep trained form
    a group: names are of several sweeps, which may use one twice.
    """
    alike: dict[tuple[str, ...], list[ComparedRun]] = {}
    for run in runs:
        if run.group is None and run.record.group and run.record.kind == "run":
            sweep = run.record.sweep if by_sweep else ""
            key = (sweep, run.experiment, run.record.group)
            alike.setdefault(key, []).append(run)
    groups: dict[int, tuple[str, str]] = {}
    for members in alike.values():
        if len({run.record.fingerprint for run in members}) == len(members) > 1:
            name = without_seeds(members[0].name)
            groups |= {id(run): (name, members[0].row) for run in members}
    return [
        dataclasses.replace(run, group=groups[id(run)][0], row=groups[id(run)][1])
        if id(run) in groups
        else run
        for run in runs
    ]


def without_seeds(name: str) -> str:
    """A run's name less what it says of seeds.

    >>> without_seeds("a/lr=0.1,model=3,data=4"), without_seeds("a/seed=2"), without_seeds("a")
    ('a/lr=0.1', 'a', 'a')
    """
    return _SEED_PART.sub("", name).rstrip("/,")
