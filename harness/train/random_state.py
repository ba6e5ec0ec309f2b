"""The place of one run in torch's global random streams, from which dropout draws."""

from __future__ import annotations

from types import TracebackType

import torch


class KeptRandomState:
    """Within it the streams go on where they were when it was left last; the first time as is.

    A run that trains in turns with others then draws what it would draw alone.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: list[torch.Tensor] | None = None

    def __enter__(self) -> None:
        if self._kept is not None:
            torch.set_rng_state(self._kept[0])
            if self._device.type == "cuda":
                torch.cuda.set_rng_state(self._kept[1], self._device)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._kept = [torch.get_rng_state()]
        if self._device.type == "cuda":
            self._kept.append(torch.cuda.get_rng_state(self._device))
