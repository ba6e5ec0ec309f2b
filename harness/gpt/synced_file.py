"""Bytes on the disk for certain, and what they were: size and SHA-256."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

BLOCK_BYTES = 2**20


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """A file's size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


def write_synced(path: Path, content: bytes) -> FileRecord:
    """Write bytes, and wait until they are on the disk; raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return FileRecord(len(content), hashlib.sha256(content).hexdigest())


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on the disk, which syncing files does not do."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def record(path: Path) -> FileRecord:
    """What a file is now; raises OSError."""
    hasher = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            hasher.update(block)
            size += len(block)
    return FileRecord(size, hasher.hexdigest())
