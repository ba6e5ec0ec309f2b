"""What `harness run` prints at its end: the runs, their claims, and what did not go well."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from harness.cli.tables import print_table
from harness.errors import counted, escape
from harness.report.claims import ClaimResult
from harness.report.formats import cell
from harness.search.result import SearchClaimResult, SearchResult, best_text
from harness.spec.names import trial_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.results import RunResult, SweepResult

AnyClaim = ClaimResult | SearchClaimResult

MAX_CLAIMS = 60  # with more, only those that do not hold are printed, and no more than these
MAX_RUNS, NUM_BEST, MAX_TOLD = 100, 20, 40  # with more runs, the best and those that went wrong
VERDICTS = {True: "holds", False: "DOES NOT HOLD", None: "not decided"}


def print_summary(result: SweepResult, *, quiet: bool) -> None:
    """The table of runs, the claims with what was observed, and a last line that says it all."""
    if not quiet and result.runs:
        _print_runs(result)
        print()
    if not quiet and result.searches:
        _print_searches(result.searches)
        print()
    _print_claims(result, quiet=quiet)
    if not quiet:
        print(_last_line(result))
    failed = [run for run in result.runs if run.status == "failed"]
    for run in failed[:MAX_TOLD]:
        print(f"{run.planned.name}: failed: {escape(run.message)}", file=sys.stderr)
    if len(failed) > MAX_TOLD:
        print(f"and {len(failed) - MAX_TOLD:,} more that failed", file=sys.stderr)
    for search in result.searches:
        for trial in search.trials:
            if trial.state == "failed":
                name = trial_name(search.name, trial.number)
                print(f"{name}: failed: {escape(trial.message)}", file=sys.stderr)


def _print_runs(result: SweepResult) -> None:
    shown = _shown(result.runs)
    rows = [
        [
            run.planned.name,
            run.status + (f" ({run.message})" if run.status == "diverged" and run.message else ""),
            _done(run),
            cell(run.final_loss),
            _score(run),
        ]
        for run in shown
    ]
    head = ["run", "state", "", "final loss", "claims"]
    if not any(run.claims for run in shown):
        head, rows = head[:-1], [row[:-1] for row in rows]
    print_table(head, rows, right=[3, 4])
    if len(shown) < len(result.runs):
        hidden = len(result.runs) - len(shown)
        print(f"... and {counted(hidden, 'more run')}: `harness compare FILE` ranks them all")


def _shown(runs: Sequence[RunResult]) -> Sequence[RunResult]:
    """All runs in the order of the file or, of many, the best by rank, then what went wrong."""
    if len(runs) <= MAX_RUNS:
        return runs
    finished = [run for run in runs if run.final_loss is not None]
    best = sorted(finished, key=lambda run: run.final_loss or 0.0)[:NUM_BEST]
    wrong = [
        run
        for run in runs
        if run.status in ("failed", "killed") or any(c.holds is False for c in run.claims)
    ]
    ranked = {run.planned.name for run in best}
    return [*best, *(run for run in wrong[:MAX_TOLD] if run.planned.name not in ranked)]


def _print_searches(searches: Sequence[SearchResult]) -> None:
    rows = [
        [
            search.name,
            str(len(search.trials)),
            ", ".join(f"{n} {state}" for state, n in search.states.items()),
            f"{search.num_new} new" if search.num_new else "already done",
            best_text(search),
        ]
        for search in searches
    ]
    print_table(["search", "trials", "ended", "", "best"], rows, right=[1])


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
    claims = _named_claims(result) + _search_claims(result)
    if quiet or len(claims) > MAX_CLAIMS:
        claims = [(name, claim) for name, claim in claims if claim.holds is not True]
    if claims:
        rows = [
            [name, claim.text, VERDICTS[claim.holds], _observed(claim)]
            for name, claim in claims[:MAX_CLAIMS]
        ]
        print_table(["of", "claim", "", "observed"], rows)
        if len(claims) > MAX_CLAIMS:
            print(
                f"... and {len(claims) - MAX_CLAIMS:,} more: --json and --junit PATH tell them all"
            )
        if not quiet:
            print()


def _named_claims(result: SweepResult) -> list[tuple[str, AnyClaim]]:
    """Each claim with whom it is about; one over the mean of seeds stands once, for the group."""
    named: list[tuple[str, AnyClaim]] = []
    seen: set[int] = set()
    for run in result.runs:
        for claim in run.claims:
            if claim.group and id(claim) in seen:
                continue
            seen.add(id(claim))
            named.append((claim.group or run.planned.name, claim))
    return named


def _search_claims(result: SweepResult) -> list[tuple[str, AnyClaim]]:
    return [(search.name, claim) for search in result.searches for claim in search.claims]


def _observed(claim: AnyClaim) -> str:
    seen = claim.observed
    value = "" if seen is None else f"{seen:.6g}" if isinstance(seen, float) else str(seen)
    return f"{value} ({claim.detail})" if claim.detail and value else value or claim.detail


def _last_line(result: SweepResult) -> str:
    parts = []
    if result.runs:
        counts = Counter(_fate(run) for run in result.runs)
        runs = ", ".join(f"{n:,} {what}" for what, n in counts.items())
        parts.append(f"{counted(len(result.runs), 'run')}: {runs}.")
    if result.searches:
        trials = sum(len(search.trials) for search in result.searches)
        new = sum(search.num_new for search in result.searches)
        searches = counted(len(result.searches), "search")
        parts.append(f"{searches}: {counted(trials, 'trial')}, {new:,} new.")
    claims = [claim for _, claim in _named_claims(result) + _search_claims(result)]
    held = sum(1 for claim in claims if claim.holds)
    undecided = sum(1 for claim in claims if claim.holds is None)
    left = f", {undecided:,} not decided" if undecided else ""
    if claims:
        parts.append(f"{held:,} of {len(claims):,} claims hold{left}.")
    return " ".join(parts)


def _fate(run: RunResult) -> str:
    """What became of a run in this call, in a word or two."""
    if run.planned.is_done:
        return "already done"
    if run.planned.owner:
        return "shared"
    return {"finished": "trained", "planned": "not trained"}.get(run.status, run.status)
