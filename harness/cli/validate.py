"""`harness validate FILE`: the check alone."""

from __future__ import annotations

import json

from harness.cli.errors import reporting
from harness.cli.options import AsJson, File, MaxRuns, Set
from harness.spec.limits import MAX_RUNS


def validate(
    file: File, set_: Set = None, max_runs: MaxRuns = MAX_RUNS, as_json: AsJson = False
) -> None:
    """Check a sweep file; exit code 2 with every mistake in it."""
    with reporting(as_json=as_json):
        from harness.spec.load import load_sweep

        sweep = load_sweep(file, overrides=set_ or (), max_runs=max_runs)
        num_claims = sum(len(experiment.claims) for experiment in sweep.experiments)
        counts = {
            "experiments": len(sweep.experiments),
            "runs": len(sweep.runs),
            "claims": num_claims,
            "searches": len(sweep.searches),
        }
        if as_json:
            print(json.dumps({"errors": [], "name": sweep.name, **counts}))
        else:
            print(f"{file}: valid, {', '.join(f'{n:,} {what}' for what, n in counts.items())}")
