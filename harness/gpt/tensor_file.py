"""One safetensors file with a JSON header: how every tensor of a checkpoint reaches the disk.

safetensors holds names, shapes and bytes and runs no code when read, unlike pickle. The header is
kept under one metadata key, as sorted JSON: safetensors writes several keys in random order, and
so equal checkpoints would differ as files (17 different files in 20 writes of one with five keys).

Guarantees: equal content gives equal bytes; a written file is on the disk when `write` returns;
whatever is wrong with a file that is read, a changed bit among it, the error is a CheckpointError
that names it. The header has the checksum of itself and of all tensors; a file that was written
before there was one is checked by its structure alone.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
import torch

from harness.errors import CheckpointError, escape, shorten
from harness.gpt.synced_file import FileRecord, write_synced

HEADER_KEY, CHECKSUM = "harness", "checksum"
FORMAT = 1
ADVICE = "take another checkpoint of the run, or train it again"


@dataclasses.dataclass(frozen=True)
class TensorFile:
    """Named tensors on the CPU, and the header that says what they are."""

    header: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def damaged(path: Path, what: str) -> CheckpointError:
    """The error for a file that cannot be what it claims to be, with what to do about it."""
    return CheckpointError(f"{escape(str(path))}: {what}; {ADVICE}")


def write(path: Path, content: TensorFile) -> FileRecord:
    """Write a file and wait until it is on the disk; raises OSError."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in content.tensors.items()}
    header = {"format": FORMAT, **content.header}
    text = json.dumps({**header, CHECKSUM: _checksum(header, tensors)}, sort_keys=True)
    # safetensors.torch gives the same bytes, but looks for tensors that share memory first, which
    # takes three times as long as all else where they are small.
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return write_synced(path, safetensors.numpy.save(arrays, metadata={HEADER_KEY: text}))


def read(path: Path) -> TensorFile:
    """A file that `write` made; a CheckpointError for anything else.

    Tensors are copied out of the file, so that nothing happens to them if it is replaced; what
    is allocated is bounded by the file's size, which safetensors checks against its own table.
    """
    require_file(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError, RuntimeError, KeyError) as error:
        raise damaged(path, f"not a whole safetensors file ({shorten(str(error))})") from None
    if HEADER_KEY not in metadata:
        raise CheckpointError(
            f"{escape(str(path))}: a safetensors file, but not one of harness: its metadata has "
            f"no key {HEADER_KEY}"
        )
    header = dict(_parse_header(path, metadata[HEADER_KEY]))
    if CHECKSUM in header and header.pop(CHECKSUM) != _checksum(header, tensors):
        raise damaged(path, "damaged: its checksum does not match")
    return TensorFile(header, tensors)


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of the header and of every tensor's name, form and bytes, in hex."""
    hasher = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        hasher.update(_form(name, tensor.dtype, tensor.shape))
        hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


@functools.lru_cache(maxsize=4096)
def _form(name: str, dtype: torch.dtype, shape: torch.Size) -> bytes:
    return json.dumps([name, str(dtype), list(shape)]).encode()


def require_file(path: Path) -> None:
    """A CheckpointError unless `path` is a regular file; opens nothing."""
    if not path.exists():
        raise CheckpointError(f"{escape(str(path))}: no such file; {ADVICE}")
    if not path.is_file():
        raise CheckpointError(f"{escape(str(path))}: must be a regular file; {ADVICE}")


def _parse_header(path: Path, text: str) -> Mapping[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a mapping")
    check_format(path, header)
    return header


def check_format(path: Path, header: Mapping[str, Any]) -> None:
    """A CheckpointError unless this version reads the format that `header` names."""
    found = header.get("format")
    if type(found) is not int or found != FORMAT:
        raise CheckpointError(
            f"{escape(str(path))}: checkpoint format {shorten(str(found))}, and this version of "
            f"harness reads format {FORMAT}; load it with the version that wrote it"
        )
