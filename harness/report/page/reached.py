"""When each contender comes to the loss that all of them come to, as a table."""

from __future__ import annotations

import math

from harness.report.contests import Contest
from harness.report.page.markup import Cell, name_cell, number_cell
from harness.report.page.table import table


def reached_table(contest: Contest, index: int) -> str:
    """Empty for a metric of which more is better, which has no such loss."""
    if math.isnan(contest.target):
        return ""
    rows: list[tuple[str, list[Cell]]] = []
    for contender in contest.contenders:
        reached = contender.reached
        rows.append(
            (
                contender.row.name,
                [
                    name_cell(contender.row.name),
                    number_cell(contest.target, "target"),
                    number_cell(reached.reached, "reached"),
                    number_cell(reached.n, "n"),
                    number_cell(reached.step, "mean_step"),
                    number_cell(reached.seconds, "mean_seconds"),
                ],
            )
        )
    columns = ("row", "target", "runs that reach it", "of", "mean step", "mean seconds")
    return table(f"reached-{index}", "Steps to the target", columns, rows)
