"""Where jobs run; knows callables, not experiments."""

from __future__ import annotations

from harness.executors.base import Executor
from harness.executors.in_process import InProcess
from harness.executors.processes import Processes


def executor_for(num_jobs: int) -> Executor:
    """This process for one job, spawned workers for more."""
    return InProcess() if num_jobs == 1 else Processes(num_jobs)
