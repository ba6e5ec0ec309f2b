"""A model in evaluation mode for a while: dropout off, no gradients, and as it was afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients inside the block; the mode before it is put back after.

    With dropout off nothing is drawn, so looking at a run leaves its random stream as it was.
    """
    was_training = model.training
    if was_training:  # it walks through every module
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if was_training:
            model.train()
