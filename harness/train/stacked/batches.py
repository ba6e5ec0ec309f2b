"""The windows that a run trains on, drawn many steps at a time.

`get_batch` draws B starts a step; one draw of n * B takes the same numbers from the generator (a
test holds torch to it). A call takes 2 us in a loop and 10 between the chunks of 1,024 runs, when
nothing of it is in the caches: more than a step of training. So starts are drawn ahead of the
steps that need them.

Guarantee: whoever asks for the generator gets it as it would be in a run trained alone up to now.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from harness.train.stacked.layout import Shape

AHEAD = 2048  # starts drawn in one call, 16 kB a run

Starts = npt.NDArray[np.int64]


class Windows:
    """Where the windows of a run's batches begin, step by step."""

    def __init__(self, generator: torch.Generator, num_tokens: int, shape: Shape) -> None:
        self._generator = generator
        self._size, self._bound = shape.batch_size, num_tokens - shape.seq_len - 1
        self._ahead: Starts = np.empty((0, self._size), np.int64)
        self._taken = 0  # rows of `_ahead`
        self._state = generator.get_state()  # before `_ahead` was drawn

    def take(self, num_steps: int) -> Starts:
        """The starts of the next batches, (num_steps, B), as `get_batch` draws them."""
        if self._taken + num_steps > len(self._ahead):
            self.generator()
            self._ahead = self._draw(max(num_steps, AHEAD // self._size))
        self._taken += num_steps
        return self._ahead[self._taken - num_steps : self._taken]

    def generator(self) -> torch.Generator:
        """The run's generator, brought to where the steps taken so far leave it."""
        if self._taken < len(self._ahead):
            self._generator.set_state(self._state)
            self._draw(self._taken)
        self._ahead, self._taken = self._ahead[:0], 0
        self._state = self._generator.get_state()
        return self._generator

    def _draw(self, num_steps: int) -> Starts:
        size = (num_steps * self._size,)
        starts = torch.randint(0, self._bound, size, generator=self._generator)
        return starts.numpy().reshape(num_steps, self._size)
