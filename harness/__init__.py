"""Declared, checked and resumable training sweeps for small GPTs.

The same in Python as on the command line, without a second path:

    sweep = harness.load_sweep("experiments.yaml")
    result = harness.run_sweep(sweep, only=["adamw"])
    frame = harness.compare("experiments.yaml", at=[50])
    print(harness.versus("experiments.yaml", "adamw", "sgd").sentence)
    frame = harness.sensitivity("experiments.yaml")
    curves = harness.history(["adamw", "sgd"])
    model, tokenizer = harness.load_checkpoint("adamw")

Names are imported when they are first used: `import harness` imports neither torch nor MLflow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.comparison.compare import compare
    from harness.comparison.sensitivity import sensitivity
    from harness.comparison.versus import versus
    from harness.gpt.batch import get_batch
    from harness.gpt.generate import generate
    from harness.gpt.model import GPT
    from harness.gpt.seed import set_seed
    from harness.inspection.tables import history
    from harness.runs import load_trained as load_checkpoint
    from harness.spec.load import load_sweep
    from harness.sweep import run_sweep

_WHERE = {
    "GPT": "harness.gpt.model:GPT",
    "compare": "harness.comparison.compare:compare",
    "generate": "harness.gpt.generate:generate",
    "get_batch": "harness.gpt.batch:get_batch",
    "history": "harness.inspection.tables:history",
    "load_checkpoint": "harness.runs:load_trained",
    "load_sweep": "harness.spec.load:load_sweep",
    "run_sweep": "harness.sweep:run_sweep",
    "sensitivity": "harness.comparison.sensitivity:sensitivity",
    "set_seed": "harness.gpt.seed:set_seed",
    "versus": "harness.comparison.versus:versus",
}

__all__ = [
    "GPT",
    "compare",
    "generate",
    "get_batch",
    "history",
    "load_checkpoint",
    "load_sweep",
    "run_sweep",
    "sensitivity",
    "set_seed",
    "versus",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
