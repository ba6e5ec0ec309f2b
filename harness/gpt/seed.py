"""The process's random streams: the tutorial's `set_seed`, and where the streams are."""

from __future__ import annotations

from collections.abc import Mapping

import torch

TORCH, CUDA = "rng.torch", "rng.cuda"  # also their names in a checkpoint


def set_seed(seed: int) -> None:
    """Seed torch's global generators, of the CPU and of every GPU; 0 <= seed < 2^63.

    >>> set_seed(42); a = torch.rand(1); set_seed(42); bool(a == torch.rand(1))
    True
    """
    torch.manual_seed(seed)


def random_streams(device: torch.device) -> dict[str, torch.Tensor]:
    """Where torch's global generators are, uint8: the CPU's, and that of a CUDA ``device``."""
    streams = {TORCH: torch.get_rng_state()}
    if device.type == "cuda":
        streams[CUDA] = torch.cuda.get_rng_state(device)
    return streams


def set_random_streams(streams: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put the global generators where `random_streams` found them."""
    torch.set_rng_state(streams[TORCH])
    if CUDA in streams:
        torch.cuda.set_rng_state(streams[CUDA], device)
