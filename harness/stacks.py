"""Which runs are trained together: those of one shape whose engine is `stacked`.

A stack holds runs of one model shape, batch size, sequence length and thread count, from any
experiment of the file. It is split where its weights and optimizer states would take too much
memory, so that every job gets some of the work, and so that runs are recorded before many more
begin. How runs are stacked never changes their bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.planning import PlannedRun
from harness.spec.run_config import RunConfig

LANES = 16  # runs in one vector: a stack of fewer leaves lanes empty
MAX_RUNS = 1024
# Runs in a stack for each thread, four vectors. Records are begun before a stack trains and ended
# after it, so the first runs of a large stack are done late: of 500 runs of 200 steps after 30 s in
# one stack, after 4 in stacks of 64 (measured when a record took some 60 ms; rows take 2, which
# makes both sooner). More than four vectors keep the processor no busier.
TURN = 64
MAX_BYTES = 2**30  # of weights, gradients and optimizer states: 16 bytes a weight and run


def form_stacks(runs: Sequence[PlannedRun], num_jobs: int = 1) -> list[tuple[PlannedRun, ...]]:
    """The runs as they are trained together, stacks in the order of their first runs.

    Engines other than `stacked` train one run at a time: each is a stack of its own.
    """
    groups: dict[object, list[PlannedRun]] = {}
    for i, run in enumerate(runs):
        groups.setdefault(_key(run.declared.config, i), []).append(run)
    return [stack for group in groups.values() for stack in _split(group, num_jobs)]


def _key(config: RunConfig, position: int) -> object:
    if config.engine != "stacked":
        return position
    train = config.train
    model = config.model.model_copy(update={"dropout": 0.0})
    return model.model_dump_json(), train.batch_size, train.seq_len, train.threads


def _split(group: Sequence[PlannedRun], num_jobs: int) -> list[tuple[PlannedRun, ...]]:
    config = group[0].declared.config
    if config.engine != "stacked":
        return [tuple(group)]
    share = math.ceil(len(group) / num_jobs / LANES) * LANES  # whole vectors for every job
    room = max(LANES, MAX_BYTES // (16 * config.model.num_parameters()) // LANES * LANES)
    size = min(share, room, TURN * config.train.threads, MAX_RUNS)
    return [tuple(group[i : i + size]) for i in range(0, len(group), size)]
