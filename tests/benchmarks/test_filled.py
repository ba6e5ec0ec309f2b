"""A store that is filled for a benchmark holds copies of one run, whatever else is in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from filled import fill
from sweep_files import write_sweep

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import find_runs


@pytest.mark.parametrize("elsewhere", [False, True], ids=["default store", "a store that is named"])
def test_the_one_run_is_copied_and_no_other_of_the_store(project, another_store, elsewhere):
    uri = another_store(project / "elsewhere.db") if elsewhere else None
    run_sweep(load_sweep(write_sweep(Path("other.yaml"), {"a": {}})), tracking_uri=uri)
    store = fill(project, 5, uri)
    found = find_runs(store)
    assert Counter(run.sweep for run in found) == {"filled": 6, "sweep": 1}
    assert len({run.run_id for run in found}) == 7
