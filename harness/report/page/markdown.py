"""The report as Markdown, for a pull request: verdicts, claims, the table, how to reproduce."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.errors import counted
from harness.report.formats import escaped, markdown
from harness.report.page.content import CheckedClaim, Report
from harness.report.page.sections import commands
from harness.report.wording import how_sure

MAX_CLAIMS = 20
"""Failed or undecided ones that are listed."""


def markdown_of(report: Report) -> str:
    """The text; its headings begin at the second level."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"## {escaped(report.sweep)}\n"
    if report.description:
        yield f"{escaped(report.description)}\n"
    for contest in report.contests:
        for found in contest.verdicts:
            yield f"* **{escaped(found.sentence)}** How sure: {escaped(how_sure(found))}"
    holding, failing, open_ = report.counts_of_claims()
    yield f"* {holding} of {counted(len(report.claims), 'claim')} hold, {failing} fail" + (
        f", {open_} undecided" if open_ else ""
    )
    states = ", ".join(f"{count} {state}" for state, count in report.states.items())
    yield f"* {counted(sum(report.states.values()), 'run')}: {escaped(states)}"
    for warning in report.warnings:
        yield f"* {escaped(warning)}"
    yield from _claims([claim for claim in report.claims if not claim.holds])
    yield f"\n### By {escaped(report.metric)}\n"
    yield markdown(report.frame)
    yield "### How to reproduce\n"
    yield _fenced(commands(report))
    for environment in report.environments:
        facts = ", ".join(f"{name} {value}" for name, value in environment.facts.items())
        yield f"{counted(environment.num_runs, 'run')}: {escaped(facts)}"


def _claims(claims: list[CheckedClaim]) -> Iterator[str]:
    """Those that do not hold."""
    if claims:
        yield "\n### Claims that do not hold\n"
        yield "| about | claim | verdict | observed |\n|---|---|---|---:|"
    for claim in claims[:MAX_CLAIMS]:
        seen = claim.observed
        observed = "" if seen is None else f"{seen:.6g}" if isinstance(seen, float) else str(seen)
        verdict = "undecided" if claim.holds is None else "fails"
        detail = f" ({claim.detail})" if claim.detail else ""
        cells = (claim.name, claim.text, verdict + detail, observed)
        yield f"| {' | '.join(map(escaped, cells))} |"
    if len(claims) > MAX_CLAIMS:
        yield f"\n{len(claims) - MAX_CLAIMS} more do not hold."


def _fenced(lines: list[str]) -> str:
    """A block of code whose fence is longer than any in it."""
    text = "\n".join(lines)
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}\n"
