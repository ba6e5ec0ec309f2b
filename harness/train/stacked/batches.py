"""The windows that a run trains on, drawn many steps at a time.

`get_batch` draws B starts a step; one draw of n * B takes the same numbers from the generator (a
test holds torch to it) in a tenth of the time. Nothing is drawn ahead of the steps that are
trained, so that the generator's state between chunks is that of a run trained alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from harness.train.stacked.layout import Shape


def draw_starts(
    generator: torch.Generator, num_tokens: int, num_steps: int, shape: Shape
) -> npt.NDArray[np.int64]:
    """Where the windows of `num_steps` batches begin, (num_steps, B), as `get_batch` draws them."""
    size = (num_steps * shape.batch_size,)
    starts = torch.randint(0, num_tokens - shape.seq_len - 1, size, generator=generator)
    return starts.numpy().reshape(num_steps, shape.batch_size)
