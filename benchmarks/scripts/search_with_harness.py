"""The same search by the product: `search_with_harness.py SWEEP_FILE`, on the store that is here.

Prints the seconds after the imports, the best value, and the seconds that Optuna's storage took, as
JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from harness.search.study_log import StudyLog
from harness.spec.load import load_sweep
from harness.sweep import run_sweep

# What the product imports only when it is needed.
LATER = (
    "torch",
    "mlflow.store.tracking.sqlalchemy_store",
    "plotly",
    "matplotlib.pyplot",
    "optuna",
    "pandas",
    "harness.search.searches",
    "harness.search.plots",
    "harness.search.plot_page",
    "harness.search.plot_pictures",
    "harness.train.stacked.driver",
)
STORAGE = ("open", "begin", "report", "finish", "trials")


def main() -> None:
    for name in LATER:
        importlib.import_module(name)
    storage: list[float] = []
    for name in STORAGE:
        setattr(StudyLog, name, timed(getattr(StudyLog, name), storage))
    began = time.perf_counter()
    result = run_sweep(load_sweep(sys.argv[1]))
    seconds = time.perf_counter() - began
    (search,) = result.searches
    assert search.best is not None
    printed = {"seconds": seconds, "best": search.best.values[0], "storage_s": sum(storage)}
    print(json.dumps({**printed, "num_trials": len(search.trials)}))


def timed(function: Callable[..., Any], taken: list[float]) -> Callable[..., Any]:
    """The function, whose seconds are added to ``taken``."""

    def call(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            taken.append(time.perf_counter() - began)

    return call


if __name__ == "__main__":
    main()
