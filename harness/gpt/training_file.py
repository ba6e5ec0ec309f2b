"""`training.safetensors`: everything beside the weights that the next training step depends on.

The optimizer's state and settings, the generator that draws batches, and the global generators
that dropout draws from. A run that is stopped, saved, loaded and continued goes on to the same
bits as one that never stopped, dropout or not.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from harness.errors import CheckpointError, shorten
from harness.gpt.seed import CUDA, TORCH, random_streams, set_random_streams
from harness.gpt.synced_file import FileRecord
from harness.gpt.tensor_file import TensorFile, damaged, read, write

BATCHES = "rng.batches"


@dataclasses.dataclass(frozen=True)
class TrainingSnapshot:
    """An optimizer and the random streams at one instant; shares tensors with the optimizer."""

    step: int
    """Updates behind it."""
    optimizer_class: str
    optimizer: Mapping[str, Any]
    """`torch.optim.Optimizer.state_dict()`."""
    random: Mapping[str, torch.Tensor]
    """Generator states, uint8, under BATCHES, TORCH and, on a GPU, CUDA."""
    torch_version: str
    """Another version may continue to other bits."""

    @classmethod
    def take(
        cls,
        step: int,
        optimizer: torch.optim.Optimizer,
        batches: torch.Generator,
        device: torch.device,
    ) -> TrainingSnapshot:
        """The state after update `step`: `batches` draws the batches, dropout runs on `device`."""
        random = {BATCHES: batches.get_state(), **random_streams(device)}
        name = type(optimizer).__name__
        return cls(step, name, optimizer.state_dict(), random, torch.__version__)

    def restore(
        self, optimizer: torch.optim.Optimizer, batches: torch.Generator, device: torch.device
    ) -> None:
        """Put the state into an optimizer over equal parameters, `batches` and torch's globals.

        Raises CheckpointError when it belongs to another optimizer, model or kind of device.
        """
        name = type(optimizer).__name__
        if name != self.optimizer_class:
            raise CheckpointError(
                f"the checkpoint's optimizer is {self.optimizer_class}, the run's is {name}; "
                "resume it with the settings that it was begun with"
            )
        if (CUDA in self.random) != (device.type == "cuda"):
            raise CheckpointError(
                f"the checkpoint was not made on a {device.type} device; resume it on the kind of "
                "device that it was begun on"
            )
        _check_shapes(self.optimizer, optimizer)
        # A copy: the optimizer updates its state in place, and a snapshot may be restored twice.
        optimizer.load_state_dict(copy.deepcopy(dict(self.optimizer)))
        batches.set_state(self.random[BATCHES])
        set_random_streams(self.random, device)


def _check_shapes(saved: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """A CheckpointError unless the saved state has the run's groups of parameters."""
    saved_groups = [group.get("params") for group in saved["param_groups"]]
    groups = [group["params"] for group in optimizer.state_dict()["param_groups"]]
    known = {index for group in groups for index in group}
    if saved_groups != groups or not set(saved["state"]) <= known:
        raise CheckpointError(
            "the checkpoint's optimizer was made for another model; resume it with the settings "
            "that it was begun with"
        )


def write_training(path: Path, snapshot: TrainingSnapshot) -> FileRecord:
    """Write the file and wait until it is on the disk; raises OSError."""
    tensors = dict(snapshot.random)
    scalars: dict[str, dict[str, Any]] = {}
    for index, state in snapshot.optimizer["state"].items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
            else:
                scalars.setdefault(str(index), {})[key] = value
    header = {
        "step": snapshot.step,
        "optimizer_class": snapshot.optimizer_class,
        "param_groups": snapshot.optimizer["param_groups"],
        "scalars": scalars,
        "torch_version": snapshot.torch_version,
    }
    return write(path, TensorFile(header, tensors))


def read_training(path: Path) -> TrainingSnapshot:
    """The snapshot in the file; a CheckpointError when it is not whole."""
    file = read(path)
    random = {name: t for name, t in file.tensors.items() if name.startswith("rng.")}
    sizes = {BATCHES: torch.get_rng_state().shape, TORCH: torch.get_rng_state().shape}
    for name, shape in sizes.items():
        if name not in random or (random[name].shape, random[name].dtype) != (shape, torch.uint8):
            raise damaged(path, f"{name} is not the state of a generator")
    try:
        return TrainingSnapshot(
            step=_typed(file.header["step"], int),
            optimizer_class=_typed(file.header["optimizer_class"], str),
            optimizer={"state": _state(file), "param_groups": _param_groups(file)},
            random=random,
            torch_version=_typed(file.header["torch_version"], str),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise damaged(path, f"no training state in it ({shorten(repr(error))})") from None


def _state(file: TensorFile) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for index, scalars in file.header["scalars"].items():
        state[int(index)] = dict(scalars)
    for name, tensor in file.tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    return dict(sorted(state.items()))


def _param_groups(file: TensorFile) -> list[dict[str, Any]]:
    """The groups with JSON's lists as the tuples that they were (betas, eps)."""
    return [
        {
            key: tuple(value) if isinstance(value, list) and key != "params" else value
            for key, value in _typed(group, dict).items()
        }
        for group in _typed(file.header["param_groups"], list)
    ]


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{shorten(repr(value))} is not of type {kind.__name__}")
    return value
