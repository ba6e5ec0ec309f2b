"""Up to 16 runs in the lanes of one set of vectors: packed, trained a chunk at a time, let go.

Guarantee: a lane's numbers come from its run alone; lanes without a run train on zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.memory import Memory, allocate, slice_sequences, zeros
from harness.train.stacked.cpu.optimizers import EPS, L2, NUM_NUMBERS, NUM_SETTINGS
from harness.train.stacked.cpu.steps import Group, train_steps
from harness.train.stacked.cpu.vector import W
from harness.train.stacked.layout import num_weights
from harness.train.stacked.run import StackedRun
from harness.train.stacked.settings import NOBODY

Losses = npt.NDArray[np.float32]


class Lanes:
    """Runs of one shape and optimizer family, all or none with dropout."""

    def __init__(self, runs: Sequence[StackedRun]) -> None:
        assert 0 < len(runs) <= W
        self.runs = list(runs)
        self.shape, self.family = runs[0].shape, runs[0].settings.family
        self.dropping = runs[0].config.model.dropout > 0
        size = num_weights(self.shape)
        self.weights, gradients = zeros((size,)), zeros((size,))
        self.moments = [zeros((size,)) for _ in runs[0].moments]
        settings = np.array([NOBODY[self.family]] * W, np.float64).T.copy()
        assert settings.shape == (NUM_SETTINGS, W)
        steps, seeds, keep = np.zeros(W, np.int64), np.zeros(W, np.uint64), np.ones(W)
        for lane, run in enumerate(runs):
            settings[:, lane] = run.settings.values
            steps[lane], seeds[lane] = run.step, run.config.seed.data
            keep[lane] = 1.0 - run.config.model.dropout
            self._take_in(lane, run)
        second = self.moments[1] if len(self.moments) > 1 else zeros((0,))
        numbers = zeros((NUM_NUMBERS,))
        self.group = Group(
            *(self.weights, gradients, self.moments[0], second, numbers),
            *(settings, steps, seeds, keep, self._idle(settings)),
        )

    def _idle(self, settings: npt.NDArray[np.float64]) -> tuple[int, int]:
        """The rows of positions beyond seq_len, if nothing but weight decay ever changes them."""
        shape = self.shape
        start = (shape.vocab_size + shape.seq_len) * shape.embed_dim
        end = (shape.vocab_size + shape.max_seq_len) * shape.embed_dim
        still = not any(moment[start:end].any() for moment in self.moments)
        if still and not settings[L2].any() and settings[EPS].all():
            return start, end
        return start, start

    def _take_in(self, lane: int, run: StackedRun) -> None:
        """Copy a run's arrays into a lane, and make them views of it."""
        self.weights[:, lane] = run.weights
        run.weights = self.weights[:, lane]
        for i, moment in enumerate(self.moments):
            if run.step > 0:  # before the first step all are zero
                moment[:, lane] = run.moments[i]
            run.moments[i] = moment[:, lane]

    def train(self, num_steps: int, memory: Memory) -> Losses:
        """Train all runs so many steps; their losses, (num_steps, runs)."""
        shape = self.shape
        ids = np.zeros((num_steps, shape.batch_size, shape.seq_len + 1, W), np.int32)
        for lane, run in enumerate(self.runs):
            gather(ids, lane, run.ids, run.windows.take(num_steps))
        losses = np.empty((num_steps, W), np.float32)
        train_steps(self.group, memory, ids, losses, shape, slice_sequences(shape), self.dropping)
        for run in self.runs:
            run.step += num_steps
        return losses[:, : len(self.runs)]

    def memory(self) -> Memory:
        """Arrays to train with; one set is enough for all lanes that one thread trains."""
        return allocate(self.shape, dropout=self.dropping)


def let_go(run: StackedRun) -> None:
    """Give a run arrays of its own, so that its lane's can be freed."""
    run.weights = run.weights.copy()
    run.moments = [moment.copy() for moment in run.moments]


@compiled
def gather(
    ids: npt.NDArray[np.int32], lane: int, data: npt.NDArray[Any], starts: npt.NDArray[np.int64]
) -> None:
    """Fill a lane of ids (steps, B, T + 1, W) with the windows of `data` at starts (steps, B)."""
    for step in range(len(starts)):
        for b in range(starts.shape[1]):
            for t in range(ids.shape[2]):
                ids[step, b, t, lane] = data[starts[step, b] + t]
