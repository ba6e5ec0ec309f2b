"""Every claim of a sweep file, checked from what the store holds; nothing is trained or written.

A claim about a run that is not there yet, or is still training, is undecided: it can come to hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.comparison.selected import Curves
from harness.planning import PlannedRun
from harness.report.claims import ClaimResult, Curve
from harness.report.claims import check_claims as check_runs
from harness.report.page.content import CheckedClaim
from harness.search.claims import check_claims as check_search
from harness.spec.sweep_file import DeclaredRun
from harness.sweep import SweepPlan
from harness.tracking import keys
from harness.tracking.store import Store


def checked_claims(plan: SweepPlan, store: Store) -> list[CheckedClaim]:
    """The claims of experiments, then those of searches, in the order of the file."""
    return [*_of_runs(plan, plan.runs(), store), *_of_searches(plan)]


def _of_runs(
    plan: SweepPlan, planned: Sequence[PlannedRun], store: Store
) -> Iterator[CheckedClaim]:
    records = {
        run.name: run.stored
        for run in planned
        if run.stored is not None and run.stored.state != keys.RUNNING
    }
    curves = Curves(store, list({record.run_id for record in records.values()}))

    def curve_of(run: DeclaredRun, metric: str) -> Curve | None:
        record = records.get(run.name)
        return curves(record.run_id, metric) if record is not None else None

    experiments = {experiment.name: experiment for experiment in plan.sweep.experiments}
    for experiment in experiments.values():
        results = check_runs(experiment, experiments, curve_of, experiment.runs)
        seen: set[ClaimResult] = set()
        for name, claims in results.items():
            for claim in claims:
                if not claim.group:
                    yield _checked(name, claim)
                elif claim not in seen:  # it is shown at every run of its group
                    seen.add(claim)
                    yield _checked(claim.group, claim)


def _checked(name: str, claim: ClaimResult) -> CheckedClaim:
    return CheckedClaim(name, claim.text, claim.holds, claim.observed, claim.detail)


def _of_searches(plan: SweepPlan) -> Iterator[CheckedClaim]:
    searches = plan.searches()
    results = {found.search.name: found.result for found in searches}
    rivals = {name: result if result.trials else None for name, result in results.items()}
    for found in searches:
        for claim in check_search(found.search, found.result, rivals):
            holds, detail = claim.holds, claim.detail
            if not found.result.trials:
                holds, detail = None, "no trial was run"
            yield CheckedClaim(found.search.name, claim.text, holds, claim.observed, detail)
