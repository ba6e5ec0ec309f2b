"""The tutorial's `set_seed`: one number that decides every random draw after it."""

from __future__ import annotations

import torch


def set_seed(seed: int) -> None:
    """Seed torch's global generators, of the CPU and of every GPU; 0 <= seed < 2^63.

    >>> set_seed(42); a = torch.rand(1); set_seed(42); bool(a == torch.rand(1))
    True
    """
    torch.manual_seed(seed)
