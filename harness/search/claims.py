"""Whether the claims of a search hold, decided from its study and those of its rivals."""

from __future__ import annotations

from collections.abc import Mapping

from harness.search.result import SearchClaimResult, SearchResult
from harness.spec.search_claims import BestClaim, SearchClaim
from harness.spec.sweep_file import Search


def check_claims(
    search: Search, result: SearchResult, rivals: Mapping[str, SearchResult | None]
) -> tuple[SearchClaimResult, ...]:
    """The claims of a search; ``rivals`` are the others by name, None where none was ever run."""
    return tuple(_check(claim, result, rivals) for claim in search.config.expect)


def _check(
    claim: SearchClaim, result: SearchResult, rivals: Mapping[str, SearchResult | None]
) -> SearchClaimResult:
    best = result.best
    if best is None:
        return SearchClaimResult(claim.text, False, None, "no trial finished")
    if isinstance(claim, BestClaim):
        observed = best.value if claim.best == "value" else best.params.get(claim.best)
        return SearchClaimResult(claim.text, claim.holds(observed), observed)
    other = claim.better_than.search
    rival = rivals.get(other)
    if rival is None or rival.best is None or rival.best.value is None or best.value is None:
        return SearchClaimResult(claim.text, None, best.value, f"{other} has no finished trial")
    sign = 1 if result.directions[0] == "minimize" else -1
    holds = sign * best.value < sign * rival.best.value
    return SearchClaimResult(claim.text, holds, best.value, f"{other}: {rival.best.value:.6g}")
