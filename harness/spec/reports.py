"""The steps at which a trial reports to its search's pruner, and whether its metric is known there.

`val/loss` is known where a run is evaluated and nowhere else, so a search on it reports there; what
a pruner asks for at other steps is a mistake in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.spec.evaluations import HOLD_OUT, Evaluations
from harness.spec.metrics import METRICS, VAL_LOSS
from harness.spec.pruners import Hyperband, NoPruner, Patient, PrunerConfig, SuccessiveHalving
from harness.spec.search import SearchConfig
from harness.spec.wording import Finding


def report_steps(config: SearchConfig, evaluations: Evaluations) -> tuple[int, ...]:
    """The steps before its last at which a trial with such evaluations reports, ascending.

    For successive halving and Hyperband these are the rungs, min_resource x reduction_factor^k,
    where they are known beforehand; else every `report_every` steps, or the evaluations where the
    metric is theirs. Nothing is reported of several objectives, nor of a metric that the last step
    alone has.
    """
    if len(config.metric) > 1 or METRICS[config.metric[0]].recorded == "last step":
        return ()
    rungs = _rungs(config, evaluations.steps)
    if rungs is not None:
        return rungs
    if _is_evaluated(config):
        return tuple(evaluations.up_to(evaluations.steps - 1))
    return tuple(range(config.report_every, evaluations.steps, config.report_every))


def misfits(config: SearchConfig, evaluations: Evaluations) -> Iterator[Finding]:
    """Why a search on `val/loss` cannot have such evaluations, located from its entry."""
    if not _is_evaluated(config):
        return
    if not evaluations.holds_out:
        place = config.metric.index(VAL_LOSS)
        yield Finding(("metric", place) if len(config.metric) > 1 else ("metric",), HOLD_OUT)
    elif len(config.metric) == 1:
        yield from _unreported(config, evaluations)


def _unreported(config: SearchConfig, evaluations: Evaluations) -> Iterator[Finding]:
    if "report_every" in config.model_fields_set:
        message = "val/loss is reported where it is computed; set train.eval_every instead"
        yield Finding(("report_every",), message)
    if isinstance(config.pruner, NoPruner):
        return
    if len(evaluations) == 1:
        message = "val/loss is computed after the last step alone; set train.eval_every to prune"
        yield Finding(("pruner", "name"), message)
        return
    rungs = _rungs(config, evaluations.steps) or ()
    missing = next((step for step in rungs if step not in evaluations), None)
    if missing is not None:
        message = (
            f"compares trials at step {missing:,}, and val/loss is computed at "
            f"{evaluations.in_words()}; set train.eval_every to what divides {rungs[0]:,}"
        )
        yield Finding(("pruner", "name"), message)


def _is_evaluated(config: SearchConfig) -> bool:
    return any(METRICS[metric].recorded == "evaluations" for metric in config.metric)


def _rungs(config: SearchConfig, num_steps: int) -> tuple[int, ...] | None:
    """The steps before the last at which the pruner compares trials; None where it has none."""
    pruner: PrunerConfig | None = config.pruner
    if isinstance(pruner, Patient):
        pruner = pruner.wrapped
    if isinstance(pruner, SuccessiveHalving) and pruner.min_resource != "auto":
        first = pruner.min_resource * pruner.reduction_factor**pruner.min_early_stopping_rate
    elif isinstance(pruner, Hyperband):
        first = pruner.min_resource
    else:
        return None
    steps = []
    while first < num_steps:
        steps.append(first)
        first *= pruner.reduction_factor
    return tuple(steps)
