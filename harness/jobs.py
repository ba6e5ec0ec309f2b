"""How many processes train a sweep when nobody says: several where that clearly saves time.

A worker has to be started and import torch, two to three seconds on a core of its own and five
where others are busy, and then trains beside the others, while the first process records; a short
sweep is over as soon, and with less memory, in one process. The seconds of work are estimated from
the run configs. An estimate may be wrong by half without harm: the number of jobs changes no run's
numbers, only when they are there.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from harness.planning import PlannedRun
from harness.spec.run_config import RunConfig
from harness.spec.work import step_flops
from harness.stacks import LANES, form_stacks

# Seconds that a further process must take over, and several must save. Two processes saved 4 s of
# 13 where one would have worked for 10.6 s (8 runs by `plain`) and 2 to 3 s of 10 where for 6.0
# (512 by `stacked`); 1 s of 7 where for 3.0 (256 of these), and nothing for the chapter's 7 runs.
JOB_S = 2.0
END_S = 0.006  # the end of a run: its checkpoint and its evaluation
RECORD_S = 0.004  # by the first process, for each run
# Measured on one thread, for 1 to 8 blocks of C = 8: 1.6 to 6.1 ms a step whatever the arithmetic.
STEP_S, BLOCK_S = 0.9e-3, 0.65e-3  # of `plain` and `bare`, for a step and for each block in it
PLAIN_FLOPS = 4e10  # a second: 3e10 at C = 32, 6.5e10 at C = 64
STACKED_FLOPS = 4e10  # a second, of all lanes together: 3.7e10 at C = 8, 4.9e10 at C = 32


def default_jobs(runs: Sequence[PlannedRun], cores: int | None = None) -> int:
    """The processes for the runs that are to be trained; 1 is this process, without workers.

    A job takes as many of the ``cores`` as the runs have `train.threads`. Where a run is on a GPU
    it is 1: the runs would share the device's memory, and each process its own copy of CUDA.
    """
    if not runs or any(run.declared.config.train.device != "cpu" for run in runs):
        return 1
    threads = max(run.declared.config.train.threads for run in runs)
    most = max(1, (cores or available_cores()) // threads)
    seconds = [
        _seconds([run.declared.config for run in stack]) for stack in form_stacks(runs, most)
    ]
    alone = sum(seconds) + len(runs) * RECORD_S
    jobs = min(most, len(seconds), int(alone / JOB_S))
    if jobs < 2:
        return 1
    saved = alone - max(*seconds, alone / jobs)
    return jobs if saved >= JOB_S else 1


def available_cores() -> int:
    """The cores that this process may use, which a container may have fewer of than the machine."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _seconds(stack: Sequence[RunConfig]) -> float:
    """About how long one process trains a stack, its runs' ends included."""
    config, steps = stack[0], max(config.train.steps for config in stack)
    flops = step_flops(config.model, config.train)
    if config.engine == "stacked":
        vectors = math.ceil(len(stack) / LANES)  # empty lanes take their time too
        step_s = vectors * LANES * flops / STACKED_FLOPS
    else:
        step_s = STEP_S + config.model.num_layers * BLOCK_S + flops / PLAIN_FLOPS
    return steps * step_s + len(stack) * END_S
