"""`checkpoint.json`: what a checkpoint's other files must be, to the byte.

It is written last and carries their sizes and SHA-256 digests, its own checksum, and whose
checkpoint it is, so that a resume never starts from a damaged or a foreign one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import escape
from harness.gpt.synced_file import FileRecord, record, write_synced
from harness.gpt.tensor_file import FORMAT, check_format, damaged, require_file

MANIFEST = "checkpoint.json"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Whose checkpoint it is, after which update, and what its files must be."""

    step: int
    fingerprint: str
    files: Mapping[str, FileRecord]

    def verify(self, path: Path) -> None:
        """A CheckpointError unless the file at `path` is, to the byte, the one recorded."""
        require_file(path)
        if path.name not in self.files:
            raise damaged(path, f"{MANIFEST} beside it does not know this file")
        expected = self.files[path.name]
        try:
            size = path.stat().st_size
            if size != expected.size:
                raise damaged(path, f"damaged: {size:,} bytes, must be {expected.size:,}")
            found = record(path)
        except OSError as error:
            raise damaged(path, f"cannot be read: {error.strerror}") from error
        if found != expected:
            raise damaged(path, f"damaged: its SHA-256 is not the one in {MANIFEST}")


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write a checkpoint's manifest, and wait until it is on the disk; raises OSError."""
    write_synced(directory / MANIFEST, _serialize(manifest))


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a checkpoint; a CheckpointError when it is missing or damaged."""
    path = directory / MANIFEST
    require_file(path)
    try:
        raw = path.read_bytes()
        content = json.loads(raw)
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise damaged(path, "damaged: not JSON") from None
    if not isinstance(content, dict):
        raise damaged(path, "damaged: not a mapping")
    check_format(path, content)
    try:
        manifest = _parse(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(path, f"damaged: {escape(str(error))}") from None
    if raw != _serialize(manifest):  # a changed byte anywhere, even in the white space
        raise damaged(path, "damaged: its checksum does not match")
    return manifest


def _parse(content: dict[str, Any]) -> Manifest:
    files = {name: FileRecord(**entry) for name, entry in content["files"].items()}
    return Manifest(content["step"], content["fingerprint"], files)


def _serialize(manifest: Manifest) -> bytes:
    content = {"format": FORMAT, **dataclasses.asdict(manifest)}
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**content, "checksum": checksum}, sort_keys=True, indent=2)
    return f"{text}\n".encode()
