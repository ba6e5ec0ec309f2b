"""Every claim of a sweep file, checked from what the store holds; nothing is trained or written.

A claim about a run or a search that is not there yet, or has not ended, is undecided: it can come
to hold. A run that failed has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.comparison.source import Curves
from harness.planning import PlannedRun
from harness.report.claims import ClaimResult, Curve
from harness.report.claims import check_claims as check_runs
from harness.report.page.content import CheckedClaim
from harness.search.claims import check_claims as check_search
from harness.search.planned import PlannedSearch
from harness.spec.search_claims import BetterThan
from harness.spec.sweep_file import DeclaredRun, Sweep


def checked_claims(
    sweep: Sweep, runs: Sequence[PlannedRun], searches: Sequence[PlannedSearch], curves: Curves
) -> list[CheckedClaim]:
    """The claims of experiments, then those of searches, in the order of the file."""
    return [*_of_runs(sweep, runs, curves), *_of_searches(searches)]


def _of_runs(sweep: Sweep, planned: Sequence[PlannedRun], curves: Curves) -> Iterator[CheckedClaim]:
    ended = {
        run.name: run.stored.run_id
        for run in planned
        if run.stored is not None and run.reason != "unfinished"
    }
    curves_of_ended = curves.among(ended.values())

    def curve_of(run: DeclaredRun, metric: str) -> Curve | None:
        return curves_of_ended(ended[run.name], metric) if run.name in ended else None

    experiments = {experiment.name: experiment for experiment in sweep.experiments}
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


def _of_searches(searches: Sequence[PlannedSearch]) -> Iterator[CheckedClaim]:
    by_name = {found.search.name: found for found in searches}
    results = {name: found.result for name, found in by_name.items()}
    for found in searches:
        checked = check_search(found.search, found.result, results)
        for claim, result in zip(found.search.config.expect, checked, strict=True):
            holds, detail = result.holds, result.detail
            rival = by_name[claim.better_than.search] if isinstance(claim, BetterThan) else None
            if found.num_to_do:
                holds, detail = None, _progress(found)
            elif rival is not None and rival.num_to_do:
                holds, detail = None, f"{rival.search.name}: {_progress(rival)}"
            yield CheckedClaim(found.search.name, result.text, holds, result.observed, detail)


def _progress(found: PlannedSearch) -> str:
    ended = len(found.result.trials)
    return f"{ended} of {found.num_trials} trials have ended" if ended else "no trial was run"
