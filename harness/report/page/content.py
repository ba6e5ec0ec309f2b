"""What a report tells, as frozen values: gathered above this package, written out by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.report.bands import CurveBand
from harness.report.contests import Contest
from harness.report.families import Family
from harness.report.rows import ComparedRun
from harness.report.sensitivity import LrCurve
from harness.report.varied import VariedPoint

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclasses.dataclass(frozen=True)
class CheckedClaim:
    """A claim about ``name``, a run, a group or a search; ``holds`` is None where undecided."""

    name: str
    text: str
    holds: bool | None
    observed: object
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Environment:
    """Where ``num_runs`` of the runs were made: their common tags, by what they are called."""

    num_runs: int
    facts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Report:
    """All of it. ``experiments`` are in the order of the file, which decides their colours;
    ``ui`` is the address of MLflow's pages, without a slash at its end."""

    sweep: str
    description: str
    file: str
    metric: str
    made: str
    store: str
    ui: str
    experiments: Sequence[str]
    contests: Sequence[Contest]
    claims: Sequence[CheckedClaim]
    frame: DataFrame
    warnings: Sequence[str]
    bands: Sequence[CurveBand]
    experiment_of: Mapping[str, str]
    """By the name of a row."""
    lr_curves: Sequence[LrCurve]
    batch_curves: Sequence[Family[VariedPoint]]
    runs: Sequence[ComparedRun]
    missing: Sequence[str]
    environments: Sequence[Environment]

    @property
    def states(self) -> dict[str, int]:
        """How many runs ended how; those that are not in the store yet are `missing`."""
        counts: dict[str, int] = {}
        for run in {run.record.run_id: run for run in self.runs}.values():
            counts[run.record.state] = counts.get(run.record.state, 0) + 1
        return counts | ({"missing": len(self.missing)} if self.missing else {})

    def counts_of_claims(self) -> tuple[int, int, int]:
        """How many hold, do not hold, and are not decided."""
        verdicts = [claim.holds for claim in self.claims]
        return verdicts.count(True), verdicts.count(False), verdicts.count(None)

    def best_bands(self) -> list[CurveBand]:
        """The curves of the rows that the verdicts are about."""
        best = {c.row.name for contest in self.contests for c in contest.contenders}
        return [band for band in self.bands if band.name in best]

    def run_link(self, run: ComparedRun) -> str:
        """The run's page in MLflow."""
        record = run.record
        return f"{self.ui}/#/experiments/{record.mlflow_experiment_id}/runs/{record.run_id}"
