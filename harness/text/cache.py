"""Encoded corpora on disk, so that a text is tokenized once and not by every worker and command.

An entry is two files named by what the ids were made from: `<SHA-256 of the text>-<tokenizer>.ids`
with the ids before `repeat`, and a `.json` beside it with the vocabulary and the checksums.

Guarantees: files appear under their names complete or not at all, so processes may share a cache;
an entry is used only when the ids and the sidecar both pass their checksums, and otherwise is as
good as absent: the next writer replaces it without a word.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import CorpusError, escape
from harness.text.packing import ITEM_SIZE, id_type, widen
from harness.text.tokenizers import Tokenizer, tokenizer_from_json

FORMAT = 1
BLOCK_BYTES = 2**20  # a multiple of every item size


@dataclasses.dataclass(frozen=True)
class Entry:
    """One encoded text: its vocabulary, and its ids in a file as `id_type(V)`, little-endian."""

    text_digest: str
    """SHA-256 of the text as UTF-8, in hex."""
    tokenizer: Tokenizer
    num_tokens: int
    ids_digest: str
    """SHA-256 of the ids as little-endian 32-bit integers, in hex."""
    path: Path


def find(cache_dir: Path, text_digest: str, tokenizer: str) -> Entry | None:
    """The entry for a text, or None where there is none that passes its checksums."""
    ids_path, sidecar_path = _paths(cache_dir, text_digest, tokenizer)
    try:
        entry = _parse(sidecar_path.read_bytes(), ids_path)
        if (entry.text_digest, entry.tokenizer.name) != (text_digest, tokenizer):
            return None
        dtype = id_type(entry.tokenizer.vocab_size)
        if ids_path.stat().st_size != entry.num_tokens * ITEM_SIZE[dtype]:
            return None
        hasher = hashlib.sha256()
        for block in read_blocks(ids_path):
            hasher.update(widen(block, dtype))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, CorpusError):
        return None  # absent or damaged, which comes to the same
    return entry if hasher.hexdigest() == entry.ids_digest else None


def write(
    cache_dir: Path, text_digest: str, tokenizer: Tokenizer, num_tokens: int, ids: Iterable[bytes]
) -> Entry:
    """Stream packed `ids` into a new entry, replacing any there; CorpusError where it cannot be.

    What `ids` raises on its way passes through, and leaves no file behind.
    """
    ids_path, sidecar_path = _paths(cache_dir, text_digest, tokenizer.name)
    dtype = id_type(tokenizer.vocab_size)
    hasher = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        for packed in ids:
            hasher.update(widen(packed, dtype))
            yield packed

    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        _write_whole(ids_path, counted())
        entry = Entry(text_digest, tokenizer, num_tokens, hasher.hexdigest(), ids_path)
        _write_whole(sidecar_path, [_serialize(entry)])
    except OSError as error:
        where = escape(str(cache_dir))
        raise CorpusError(f"{where}: cannot write the cache: {error.strerror}") from error
    return entry


def read_blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes, a megabyte at a time."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _paths(cache_dir: Path, text_digest: str, tokenizer: str) -> tuple[Path, Path]:
    stem = f"{text_digest}-{tokenizer}"
    return cache_dir / f"{stem}.ids", cache_dir / f"{stem}.json"


def _serialize(entry: Entry) -> bytes:
    content: dict[str, object] = {
        "format": FORMAT,
        "text_digest": entry.text_digest,
        "tokenizer": entry.tokenizer.to_json(),
        "num_tokens": entry.num_tokens,
        "ids_digest": entry.ids_digest,
    }
    return json.dumps({**content, "checksum": _checksum(content)}).encode()


def _parse(raw: bytes, ids_path: Path) -> Entry:
    """The entry that a sidecar describes; ValueError, KeyError and the like for rubbish."""
    content = json.loads(raw)
    checksum = content.pop("checksum")
    if content["format"] != FORMAT or _checksum(content) != checksum:
        raise ValueError("damaged, or written by another version")
    tokenizer = tokenizer_from_json(content["tokenizer"])
    return Entry(
        content["text_digest"], tokenizer, content["num_tokens"], content["ids_digest"], ids_path
    )


def _checksum(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_whole(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a file under a temporary name and move it into place when it is complete."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name[:16], suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            for block in blocks:
                file.write(block)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
