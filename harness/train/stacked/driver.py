"""Training many runs in lock-step: chunks of steps, the hook between them, runs that leave.

Runs are given in any number and order; those that can share vectors do. Between chunks the hook
hears every loss and answers with the runs to stop. A run that is stopped or done leaves its lane,
and those that stay are moved together when that saves vectors.

Guarantee: a run's losses and weights are the same bits whatever it is trained beside, in which
lane, in chunks of which length and on how many threads: nothing here puts a number of one run
into the arithmetic of another.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from harness.spec.evaluations import Evaluations
from harness.spec.records import LossRecord
from harness.train.on_steps import OnSteps
from harness.train.stacked.cpu.compiling import announced
from harness.train.stacked.cpu.lanes import Lanes, Losses, let_go
from harness.train.stacked.cpu.memory import Memory
from harness.train.stacked.cpu.vector import W
from harness.train.stacked.run import StackedRun

CHUNK_S = 0.25  # the hook is called about so often
MAX_CHUNK_BYTES = 2**24  # of the token ids of one chunk of 16 runs


def train(
    runs: Sequence[StackedRun],
    on_steps: OnSteps,
    *,
    threads: int = 1,
    chunk_steps: int | None = None,
    until: int | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Train runs to their last steps, or until `on_steps` answers with their positions in `runs`.

    Args:
        runs: of any shapes; lanes are shared by those of one shape and optimizer family.
        on_steps: called between chunks with one record of every run that trained. When it is
            called, each run is as after the last step of its record. Chunks end where a run's
            `checkpoint.every` divides the step, and where a run is to be evaluated.
        threads: how many groups of lanes are trained at once.
        chunk_steps: the most steps between calls; by default what takes `CHUNK_S` seconds.
        until: the step at which all runs stop, where their configs have more; they can be given
            to `train` again.
        say: hears when machine code has to be made first; by default the log.
    """
    with announced(*(() if say is None else (say,))), ThreadPoolExecutor(threads) as pool:
        _Stack(runs, on_steps, pool, threads, chunk_steps, until).train()


class _Stack:
    def __init__(
        self,
        runs: Sequence[StackedRun],
        on_steps: OnSteps,
        pool: ThreadPoolExecutor,
        threads: int,
        chunk_steps: int | None,
        until: int | None,
    ) -> None:
        self.position = {id(run): i for i, run in enumerate(runs)}
        self.on_steps, self.pool, self.threads = on_steps, pool, threads
        self.chunk_steps = chunk_steps
        self.until = math.inf if until is None else until
        self.seconds_a_step = 0.0  # of all lanes together; 0 until it is measured
        self.lanes = [
            Lanes(sharing[i : i + W])
            for sharing in _sharing([run for run in runs if self._is_going(run)])
            for i in range(0, len(sharing), W)
        ]
        self.memories: dict[object, SimpleQueue[Memory]] = defaultdict(SimpleQueue)

    def train(self) -> None:
        while self.lanes:
            began = time.perf_counter()
            wanted = self._wanted_steps()
            trained = self._chunks(wanted)
            longest = max(len(losses) for losses in trained)
            self.seconds_a_step = (time.perf_counter() - began) / longest
            stopped = self.on_steps(self._records(trained))
            self._keep_going(set(stopped))

    def _wanted_steps(self) -> int:
        if self.chunk_steps is not None:
            return self.chunk_steps
        if self.seconds_a_step == 0.0:
            return 1  # the first chunk may wait for the compiler; it also measures
        return max(1, int(CHUNK_S / self.seconds_a_step))

    def _chunks(self, wanted: int) -> list[Losses]:
        if self.threads == 1:
            return [self._chunk(lanes, wanted) for lanes in self.lanes]
        return list(self.pool.map(lambda lanes: self._chunk(lanes, wanted), self.lanes))

    def _chunk(self, lanes: Lanes, wanted: int) -> Losses:
        shape = lanes.shape
        room = MAX_CHUNK_BYTES // (shape.batch_size * (shape.seq_len + 1) * W * 4)
        num_steps = min([wanted, max(1, room), *map(self._to_next_stop, lanes.runs)])
        idle = self.memories[shape, lanes.dropping]
        try:
            memory = idle.get_nowait()
        except Empty:
            memory = lanes.memory()
        losses = lanes.train(num_steps, memory)
        idle.put(memory)
        return losses

    def _is_going(self, run: StackedRun) -> bool:
        return run.remaining > 0 and run.step < self.until

    def _to_next_stop(self, run: StackedRun) -> int:
        """Steps until the run is done, is to stop, or is due for a checkpoint or evaluation."""
        steps = min(run.config.train.steps, self.until) - run.step
        every, evaluations = run.config.checkpoint.every, Evaluations.of(run.config)
        if every is not None:
            steps = min(steps, every - run.step % every)
        if evaluations.holds_out:
            steps = min(steps, evaluations.after(run.step) - run.step)
        return int(steps)

    def _records(self, trained: Sequence[Losses]) -> list[LossRecord]:
        records: list[LossRecord] = []
        for lanes, losses in zip(self.lanes, trained, strict=True):
            for lane, run in enumerate(lanes.runs):
                first_step = run.step - len(losses) + 1
                column = losses[:, lane].tolist()
                records.append(LossRecord(self.position[id(run)], first_step, column))
        return records

    def _keep_going(self, stopped: set[int]) -> None:
        """Let runs go that are done or stopped; move the others together if that saves lanes."""
        going: list[StackedRun] = []
        left = False
        for lanes in self.lanes:
            for run in lanes.runs:
                if self._is_going(run) and self.position[id(run)] not in stopped:
                    going.append(run)
                else:
                    left = True
                    let_go(run)
        if not left:
            return
        self.seconds_a_step *= len(going) / sum(len(lanes.runs) for lanes in self.lanes)
        self.lanes = [
            Lanes(sharing[i : i + W])
            for sharing in _sharing(going)
            for i in range(0, len(sharing), W)
        ]


def _sharing(runs: Sequence[StackedRun]) -> list[list[StackedRun]]:
    """The runs by what lanes of one vector must have in common, each list in the order given."""
    sharing: dict[object, list[StackedRun]] = defaultdict(list)
    for run in runs:
        sharing[run.shape, run.settings.family, run.config.model.dropout > 0].append(run)
    return list(sharing.values())
