"""What `harness run` prints at its end: the runs, their claims, and what did not go well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.cli.tables import print_table
from harness.errors import escape
from harness.report.claims import ClaimResult

if TYPE_CHECKING:
    from harness.results import RunResult, SweepResult

MAX_CLAIMS = 60  # with more, only those that do not hold are printed
VERDICTS = {True: "holds", False: "DOES NOT HOLD", None: "not decided"}


def print_summary(result: SweepResult, *, quiet: bool) -> None:
    """The table of runs, the claims with what was observed, and a last line that says it all."""
    if not quiet:
        _print_runs(result)
        print()
    _print_claims(result, quiet=quiet)
    if result.searches and not quiet:
        print(f"searches: not run ({len(result.searches)} declared)")
    if not quiet:
        print(_last_line(result))
    for run in result.runs:
        if run.status == "failed":
            print(f"{run.planned.name}: failed: {escape(run.message)}", file=sys.stderr)


def _print_runs(result: SweepResult) -> None:
    rows = [
        [
            run.planned.name,
            run.status + (f" ({run.message})" if run.status == "diverged" and run.message else ""),
            _done(run),
            "" if run.final_loss is None else f"{run.final_loss:.4f}",
            _score(run),
        ]
        for run in result.runs
    ]
    print_table(["run", "state", "", "final loss", "claims"], rows, right=[3, 4])


def _done(run: RunResult) -> str:
    if run.planned.owner:
        return f"shares {run.planned.owner}"
    return "already done" if run.planned.is_done else f"trained ({run.planned.reason})"


def _score(run: RunResult) -> str:
    if not run.claims:
        return ""
    held = sum(1 for claim in run.claims if claim.holds)
    return f"{held} of {len(run.claims)}"


def _print_claims(result: SweepResult, *, quiet: bool) -> None:
    claims = [(run.planned.name, claim) for run in result.runs for claim in run.claims]
    if quiet or len(claims) > MAX_CLAIMS:
        claims = [(name, claim) for name, claim in claims if claim.holds is not True]
    if claims:
        rows = [
            [name, claim.text, VERDICTS[claim.holds], _observed(claim)] for name, claim in claims
        ]
        print_table(["run", "claim", "", "observed"], rows)
        print()


def _observed(claim: ClaimResult) -> str:
    value = "" if claim.observed is None else f"{claim.observed:.6g}"
    return f"{value} ({claim.detail})" if claim.detail and value else value or claim.detail


def _last_line(result: SweepResult) -> str:
    counts = [
        (sum(1 for run in result.runs if run.planned.is_trained), "trained"),
        (sum(1 for run in result.runs if run.planned.is_done), "already done"),
        (sum(1 for run in result.runs if run.planned.owner and not run.planned.is_done), "shared"),
    ]
    runs = ", ".join(f"{n} {what}" for n, what in counts if n)
    claims = [claim for run in result.runs for claim in run.claims]
    held = sum(1 for claim in claims if claim.holds)
    return f"{len(result.runs)} runs: {runs or 'none'}. {held} of {len(claims)} claims hold."
