"""What a call of `run` comes to: each run with its state and claims, each search that waits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from harness.planning import PlannedRun
from harness.report.claims import ClaimResult

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
    """All runs of the call in file order; ``searches`` are the declared ones, not run yet."""

    runs: tuple[RunResult, ...]
    searches: tuple[str, ...] = ()
    store_uri: str = ""
    mlflow_experiment_id: str | None = None

    @property
    def exit_code(self) -> int:
        """1 where a run failed, else 3 where a claim does not hold, else 0."""
        if any(run.status in ("failed", "killed") for run in self.runs):
            return EXIT_FAILED
        if any(claim.holds is False for run in self.runs for claim in run.claims):
            return EXIT_CLAIM
        return 0

    def to_json(self) -> dict[str, Any]:
        """The result as `--json` prints it."""
        return {"runs": [run.to_json() for run in self.runs], "searches": []}


def finite_or_none(value: float | None) -> float | None:
    """JSON has no NaN and no infinity: they become null."""
    return value if value is not None and math.isfinite(value) else None
