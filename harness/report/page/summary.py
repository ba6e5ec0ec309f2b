"""The first screen: who won, by how much, and how sure that is; claims, runs, the best curves."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.errors import counted
from harness.report.page.content import Report
from harness.report.page.markup import number, text
from harness.report.statistics import Interval
from harness.report.versus import Side, Versus, shown, shown_p
from harness.report.wording import how_sure


def summary(report: Report) -> str:
    """The section."""
    cards = [_card(found) for contest in report.contests for found in contest.verdicts]
    verdicts = "".join(cards) or (
        "<p>There are no two experiments on the same data with runs that finished: nothing is "
        "compared.</p>"
    )
    return (
        f'<section id="summary"><h2>Who won</h2><div class="cards">{verdicts}</div>'
        f'<ul class="facts">{"".join(f"<li>{fact}</li>" for fact in _facts(report))}</ul>'
        f"</section>\n"
    )


def _card(found: Versus) -> str:
    """A verdict. Its numbers are those of the better side against the worse."""
    difference, gain = found.difference, found.gain
    pair = f'data-a="{text(found.a.row.name)}" data-b="{text(found.b.row.name)}"'
    if difference is None or gain is None:
        return f'<article class="card" {pair}><p>{text(found.sentence)}</p></article>\n'
    better, worse = found.ranked
    certain = difference.is_clear
    names = [text(side.row.name) for side in (better, worse)]
    if certain:
        head = " <span>beats</span> ".join(names)
    else:
        word = "Too close to call" if difference.mean else "No difference"
        word = "One seed cannot tell" if difference.n < 2 else word
        head = f"<span>{word}:</span> {' <span>and</span> '.join(names)}"
    way = "more" if found.more_is_better else "less"
    size = number(gain.mean, "gain", shown(gain.mean))
    by = f"{size} {way} {text(found.metric)}{_interval(gain)}: "
    by += f"{_final(better)} against {_final(worse)}"
    return (
        f'<article class="card {"clear" if certain else "close"}" {pair}><h3>{head}</h3>'
        f"<dl><dt>By how much</dt><dd>{by}</dd>"
        f"<dt>How sure</dt><dd>{text(how_sure(found))}</dd></dl>"
        f'<p class="sentence">{text(found.sentence)}{_chosen(found)}</p>{_tests(found)}</article>\n'
    )


def _interval(gain: Interval) -> str:
    """Nothing for one seed."""
    if gain.n < 2:
        return ""
    return (
        f" (95 % interval {number(gain.low, 'gain_low', shown(gain.low))} to "
        f"{number(gain.high, 'gain_high', shown(gain.high))})"
    )


def _final(side: Side) -> str:
    assert side.final is not None
    return f'<span data-row="{text(side.row.name)}">{number(side.final.mean, "final")}</span>'


def _tests(found: Versus) -> str:
    """The tests' numbers, which are of A less B."""
    difference = found.difference
    if difference is None or difference.n < 2:
        return ""
    parts = [
        f"difference {number(difference.mean, 'mean', shown(difference.mean))}",
        f"95 % interval {number(difference.low, 'low', shown(difference.low))} to "
        f"{number(difference.high, 'high', shown(difference.high))}",
        f"t test p = {number(difference.p, 'p', shown_p(difference.p))}",
    ]
    if not math.isnan(difference.p_permutation):
        p = difference.p_permutation
        parts.append(f"permutation test p = {number(p, 'p_permutation', shown_p(p))}")
    size = "d_z" if difference.paired else "d"
    if math.isfinite(difference.effect):
        effect = number(difference.effect, "effect", shown(difference.effect))
        parts.append(f"effect size {size} = {effect}")
    names = f"{text(found.a.row.name)} less {text(found.b.row.name)}"
    return f"<details><summary>Tests</summary><p>{names}: {'; '.join(parts)}.</p></details>"


def _chosen(found: Versus) -> str:
    most = max(found.a.num_rows, found.b.num_rows)
    if most < 2:
        return ""
    return f" Each side is its best of up to {most} settings, chosen on these same seeds."


def _facts(report: Report) -> Iterator[str]:
    holding, failing, open_ = report.counts_of_claims()
    if report.claims:
        total = len(report.claims)
        words = f"{holding} of {counted(total, 'claim')} hold"
        words += f", {failing} fail{'' if failing > 1 else 's'}" if failing else ""
        words += f", {open_} undecided" if open_ else ""
        sign = "bad" if failing else "good"
        yield f'<a class="{sign}" href="#claims">{words}</a>'
    else:
        yield "The file makes no claim"
    states = ", ".join(f"{count} {state}" for state, count in report.states.items())
    yield f'<a href="#runs">{counted(sum(report.states.values()), "run")}</a>: {text(states)}'
    for warning in report.warnings:
        yield f'<span class="warning">{text(warning)}</span>'
