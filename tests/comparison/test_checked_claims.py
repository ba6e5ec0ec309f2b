"""Claims checked from the store: what can still come to hold is undecided."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searches import StopAt, search
from sweep_files import write_sweep

from harness.comparison.report import gather
from harness.interrupts import Interrupted
from harness.report.page.content import CheckedClaim
from harness.spec.load import load_sweep
from harness.sweep import run_sweep

HOLDS = [{"best": "value", "below": 1e9}]


def write(experiments: dict[str, Any], **searches: dict[str, Any]) -> Path:
    path = write_sweep(Path("sweep.yaml"), experiments)
    path.write_text(json.dumps({**json.loads(path.read_text()), "searches": searches}))
    return path


def stopped(path: Path, only: str, heard: int) -> None:
    """Run a part of the sweep, stopped as by Ctrl-C at the n-th thing that it tells."""
    with pytest.raises(Interrupted):
        run_sweep(load_sweep(path), only=only, observer=StopAt(heard))


def claims(path: Path) -> dict[str, CheckedClaim]:
    return {claim.name: claim for claim in gather(path).report.claims}


def test_a_claim_about_a_run_that_was_stopped_is_undecided(project):
    claim = [{"metric": "train/loss", "below": 100}]
    path = write({"a": {}, "b": {"optimizer": {"lr": 0.1}, "expect": claim}})
    run_sweep(load_sweep(path), only="a")
    stopped(path, "b", 2)
    found = claims(path)["b"]
    assert (found.holds, found.detail) == (None, "b was not run")
    run_sweep(load_sweep(path))
    assert claims(path)["b"].holds is True


def test_a_claim_about_a_run_that_failed_does_not_hold(project):
    claim = [{"metric": "train/loss", "below": 100}]
    path = write({"a": {}, "b": {"train": {"device": "cuda:99"}, "expect": claim}})
    run_sweep(load_sweep(path))
    assert claims(path)["b"].holds is False


@pytest.fixture
def half_searched(project) -> Callable[..., Path]:
    """Writes a file whose search `s` was stopped when half of its trials had ended."""

    def made(**other: dict[str, Any]) -> Path:
        entry = search(n_trials=4, parallel=2, train={"steps": 4}, pruner={"name": "none"})
        path = write({"a": {}}, s={**entry, "expect": HOLDS}, **other)
        run_sweep(load_sweep(path), only="a")

        class AtHalf(StopAt):
            def on_search(self, progress) -> None:
                if progress.num_trials == 2:
                    raise Interrupted(2)

        with pytest.raises(Interrupted):
            run_sweep(load_sweep(path), only="s", observer=AtHalf(0))
        return path

    return made


def test_a_claim_about_a_search_with_some_of_its_trials_is_undecided(half_searched):
    path = half_searched()
    found = claims(path)["s"]
    assert (found.holds, found.detail) == (None, "2 of 4 trials have ended")
    run_sweep(load_sweep(path))
    assert claims(path)["s"].holds is True


def test_a_claim_to_beat_a_search_that_has_not_ended_is_undecided(half_searched):
    rival = {"optimizer.lr": {"choices": [1e-3]}}
    other = search(space=rival, n_trials=1, train={"steps": 4}, pruner={"name": "none"})
    path = half_searched(t={**other, "expect": [{"better_than": {"search": "s"}}]})
    run_sweep(load_sweep(path), only="t")
    found = claims(path)["t"]
    assert (found.holds, found.detail) == (None, "s: 2 of 4 trials have ended")
