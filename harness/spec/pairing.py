"""Which run of another experiment a run is compared with.

Runs of expanded experiments pair by equal points, seeds included; an experiment with a single run
is the partner of everyone.
"""

from __future__ import annotations

from harness.spec.sweep_file import DeclaredRun, Experiment


def partner(run: DeclaredRun, other: Experiment) -> DeclaredRun | None:
    """The run of ``other`` to compare ``run`` with, or None where no point is equal."""
    if len(other.runs) == 1:
        return other.runs[0]
    return other.by_point.get((frozenset(run.point), run.seed_index))
