"""Two sides as text: a line each, and what the tests say of their difference."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.report.formats import cell
from harness.report.reaching import Reached
from harness.report.versus import Side, Versus, shown, shown_p

COLUMNS = ("row", "n", "diverged", "final", "low", "high", "reached", "step", "seconds")


def side_rows(found: Versus) -> list[list[str]]:
    """The sides in the order of `COLUMNS`; ``step`` and ``seconds`` are means."""
    assert found.race is not None, "the table is of a comparison that asked for it"
    return [_cells(found.a, found.race.a), _cells(found.b, found.race.b)]


def _cells(side: Side, reached: Reached) -> list[str]:
    final = side.final
    name = side.row.name
    if side.num_rows > 1:
        name += f" (best of {side.num_rows})"
    return [
        name,
        str(len(side.row.runs)),
        str(side.row.num_diverged),
        *(cell(value) for value in ((final.mean, final.low, final.high) if final else [None] * 3)),
        f"{reached.reached} of {reached.n}",
        "" if math.isnan(reached.step) else f"{reached.step:.1f}",
        "" if math.isnan(reached.seconds) else f"{reached.seconds:.2f}",
    ]


def difference_lines(found: Versus) -> Iterator[str]:
    """The loss that is to be reached, the tests, and what was chosen among many."""
    if found.race is not None and not math.isnan(found.race.target):
        yield f"reached, step, seconds: of a {found.metric} of {shown(found.race.target)}"
    difference = found.difference
    if difference is not None and difference.n > 1:
        tests = f"t test p = {shown_p(difference.p)}"
        if not math.isnan(difference.p_permutation):
            tests += f", permutation test p = {shown_p(difference.p_permutation)}"
        size = "d_z" if difference.paired else "d"
        yield (
            f"difference: {shown(difference.mean)} ({shown(difference.low)} to "
            f"{shown(difference.high)}), {tests}, effect size {size} = {shown(difference.effect)}"
        )
    if max(found.a.num_rows, found.b.num_rows) > 1:
        yield "each side's best row was chosen on these same seeds, which flatters it a little"
