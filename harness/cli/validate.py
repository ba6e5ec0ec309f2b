"""`harness validate FILE`: the check alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.cli.errors import reporting
from harness.cli.options import AsJson, File, MaxRuns, Set
from harness.errors import counted
from harness.spec.limits import MAX_RUNS

if TYPE_CHECKING:
    from harness.spec.sweep_file import Experiment


def validate(
    file: File, set_: Set = None, max_runs: MaxRuns = MAX_RUNS, as_json: AsJson = False
) -> None:
    """Check a sweep file; exit code 2 with every mistake in it."""
    with reporting(as_json=as_json):
        from harness.spec.load import load_sweep

        sweep = load_sweep(file, overrides=set_ or (), max_runs=max_runs)
        num_claims = sum(_num_claims(experiment) for experiment in sweep.experiments)
        num_claims += sum(len(search.config.expect) for search in sweep.searches)
        counts = {
            "experiments": len(sweep.experiments),
            "runs": len(sweep.runs),
            "claims": num_claims,
            "searches": len(sweep.searches),
        }
        if as_json:
            print(json.dumps({"errors": [], "name": sweep.name, **counts}))
        else:
            nouns = zip(counts.values(), ("experiment", "run", "claim", "search"), strict=True)
            print(f"{file}: valid, {', '.join(counted(n, noun) for n, noun in nouns)}")


def _num_claims(experiment: Experiment) -> int:
    """Claims as `run` counts them: one a run, or one a group where it is about the mean."""
    num_groups = len({run.group for run in experiment.runs})
    return sum(num_groups if c.over_mean else len(experiment.runs) for c in experiment.claims)
