"""How far a sweep of many runs is, counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_files import write_sweep

from harness.cli.brief import Brief
from harness.spec.load import load_sweep
from harness.sweep import plan_sweep


@pytest.mark.parametrize("state", ["diverged", "failed", "killed"])
def test_a_run_that_goes_on_and_ends_early_leaves_the_steps_of_the_others(project, state):
    experiments = {"a": {"train": {"steps": 200}}, "b": {"train": {"steps": 200}}}
    first, _ = runs = plan_sweep(load_sweep(write_sweep(Path("sweep.yaml"), experiments)))
    brief = Brief(runs)
    brief.resumed(first, 100)
    brief.heard(first, 50)
    brief.ended(first, state)
    assert brief.num_steps - 50 == 200
