"""What a call of `run` comes to: each run and each search with its state and its claims."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from harness.planning import PlannedRun
from harness.report.claims import ClaimResult
from harness.search.result import SearchResult

EXIT_FAILED, EXIT_CLAIM, EXIT_NOTHING = 1, 3, 4


@dataclasses.dataclass(frozen=True)
class RunResult:
    """One declared run after the call.

    ``status`` is its state in the store (finished, diverged, failed, killed), or `planned` where
    it was not trained; ``final_loss`` is the loss of the last step, None when there is none.
    """

    planned: PlannedRun
    run_id: str | None
    status: str
    final_loss: float | None
    claims: tuple[ClaimResult, ...] = ()
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """The run as `--json` prints it."""
        return {
            "name": self.planned.name,
            "experiment": self.planned.declared.experiment,
            "run_id": self.run_id,
            "status": self.status,
            "fingerprint": self.planned.fingerprint,
            "engine": self.planned.engine,
            "reason": self.planned.reason,
            "final_loss": finite_or_none(self.final_loss),
            "expectations": [
                {
                    "text": claim.text,
                    "holds": claim.holds,
                    "observed": finite_or_none(claim.observed),
                }
                for claim in self.claims
            ],
        }


@dataclasses.dataclass(frozen=True)
class SweepResult:
    """All runs and searches of the call, in file order."""

    runs: tuple[RunResult, ...]
    searches: tuple[SearchResult, ...] = ()
    store_uri: str = ""
    mlflow_experiment_id: str | None = None

    @property
    def exit_code(self) -> int:
        """1 where a run or a trial failed, else 3 where a claim does not hold, else 0."""
        if any(run.status in ("failed", "killed") for run in self.runs):
            return EXIT_FAILED
        if any("failed" in search.states for search in self.searches):
            return EXIT_FAILED
        verdicts = [claim.holds for run in self.runs for claim in run.claims]
        verdicts += [claim.holds for search in self.searches for claim in search.claims]
        return EXIT_CLAIM if False in verdicts else 0

    def to_json(self) -> dict[str, Any]:
        """The result as `--json` prints it."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "searches": [search_json(search) for search in self.searches],
        }


def search_json(search: SearchResult) -> dict[str, Any]:
    """A search as `--json` prints it; with several metrics `front` takes the place of the best."""
    best = search.best
    shown: dict[str, Any] = {
        "name": search.name,
        "study": search.study,
        "storage": search.storage,
        "run_id": search.run_id,
        "n_trials": len(search.trials),
        "states": search.states,
        "best_trial": best.number if best else None,
        "best_value": best.value if best else None,
        "best_params": dict(best.params) if best else None,
        "best_run_id": best.run_id if best else None,
        "expectations": [
            {"text": claim.text, "holds": claim.holds, "observed": claim.observed}
            for claim in search.claims
        ],
    }
    if len(search.directions) > 1:
        shown["front"] = [
            {"trial": trial.number, "values": list(trial.values), "params": dict(trial.params)}
            for trial in search.front
        ]
    return shown


def finite_or_none(value: float | None) -> float | None:
    """JSON has no NaN and no infinity: they become null."""
    return value if value is not None and math.isfinite(value) else None
