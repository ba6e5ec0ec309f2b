"""How sure a difference is, in words."""

from __future__ import annotations

from harness.report.differences import Difference
from harness.report.statistics import FEW
from harness.report.versus import Versus


def how_sure(found: Versus) -> str:
    """For someone who knows no statistics.

    The t test trusts that the differences are near normal; "Very" needs the permutation test, which
    does not, to agree: of fewer than 6 seeds it never does.
    """
    difference = found.difference
    if difference is None:
        return "Nothing is known: one side has no run that finished."
    if difference.n < 2:
        return "Not at all: one seed says nothing of other seeds."
    seeds = f"{difference.n} seeds"
    if difference.mean == 0:
        return f"There is no difference to be sure of: over {seeds} the means are the same."
    if not difference.is_clear:
        return (
            f"Not sure: the 95 % interval over {seeds} includes no difference{_more(difference)}."
        )
    if difference.n < FEW:
        return f"A little: the interval leaves out 0, but {seeds} are few."
    word = "Very" if difference.p < 0.001 and not difference.p_permutation > 0.05 else "Fairly"
    return f"{word}: with no real difference, {seeds} would show this {_odds(difference.p)}."


def _odds(p: float) -> str:
    if p < 1e-6:
        return "less than once in 1,000,000"
    return f"about once in {round(1 / p):,}"


def _more(difference: Difference) -> str:
    if difference.more is None:
        return ""
    return f"; about {difference.more} more would tell"
