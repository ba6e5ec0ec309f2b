"""Which run configs the stacked engine can train, and which of them `engine: auto` gives it.

Decided from the run config alone, without torch: the planner asks for every run of a sweep, and
the answer is part of a run's identity. A machine, a stack's other runs or the number of jobs would
make one file train under two identities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.spec.optimizers import SGD, Adam, AdamW
from harness.spec.work import step_flops

if TYPE_CHECKING:
    from harness.spec.run_config import RunConfig

# Floating-point operations of a step up to which `auto` takes `stacked`. Alone in its 16 lanes a
# run of 5 to 6 million is 1.5 to 2.4 times as fast as by `plain`; they meet at some 10 million
# (benchmarks/README.md, "Which engine auto takes"). The rest is margin, for dropout and for
# processors with narrower vectors.
# `train.threads` does not count: a stack's numbers do not depend on it, a lone run gains nothing
# by it, and torch is no faster on two threads in steps so small.
AUTO_STACKED_FLOPS = 6_000_000
# The largest vocabulary: the count does not see the softmax over it. With 4,096 on 8 channels it is
# most of a step, and a lone run of 5.8 million half as fast as by `plain`.
AUTO_STACKED_VOCABULARY = 1024


def supports(config: RunConfig) -> bool:
    """Whether the stacked engine computes what `config` asks for; see `unsupported`."""
    return unsupported(config) is None


def unsupported(config: RunConfig) -> str | None:
    """The setting that keeps `config` from the stacked engine, as `path: value`, or None.

    It trains on the CPU, with AdamW, Adam and SGD in the form that torch uses there by default:
    without `amsgrad`, `maximize`, `foreach` and `fused`.
    """
    optimizer = config.optimizer
    if config.train.device != "cpu":
        return f"train.device: {config.train.device}"
    if not isinstance(optimizer, AdamW | Adam | SGD):
        return f"optimizer.name: {optimizer.name}"
    for switch in ("amsgrad", "maximize", "foreach", "fused"):
        if getattr(optimizer, switch, False):
            return f"optimizer.{switch}: true"
    return None


def auto_engine(config: RunConfig) -> Literal["stacked", "plain"]:
    """What `engine: auto` means for `config`, whose `model.vocab_size` is resolved."""
    small = step_flops(config.model, config.train) <= AUTO_STACKED_FLOPS
    few_symbols = (config.model.vocab_size or 0) <= AUTO_STACKED_VOCABULARY
    return "stacked" if small and few_symbols and supports(config) else "plain"
