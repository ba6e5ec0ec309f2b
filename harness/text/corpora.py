"""A text as token ids: counted first, then encoded, in memory that does not grow with the text.

`scan` reads a source once and learns the vocabulary and the number of tokens, which is all that
checking a sweep file needs. `encode` reads it again and packs the ids. `open_corpus` does both,
or neither where the cache already holds the text.

Guarantees: `Corpus.digest` depends on the token ids alone, not on how the text was given, cut,
stored or repeated (a text repeated by `repeat` has the digest of the ids written out); a file that
changes between the passes is an error, never a mixture; a `Corpus` is frozen and picklable, and
where the ids lie in the cache it carries their path instead of their bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness.errors import CorpusError, escape
from harness.text import cache
from harness.text.packing import ITEM_SIZE, IdType, id_type, packer, unpack, widen
from harness.text.sources import Source, digest_of, hashed
from harness.text.tokenizers import TOKENIZERS, Tokenizer, learn

MAX_TOKENS = 2**31
CACHED_KINDS = ("file", "builtin")  # a text of the sweep file is shorter than its cache entry


@dataclasses.dataclass(frozen=True)
class CorpusInfo:
    """What one pass over a text tells: its vocabulary and its length."""

    source: Source
    tokenizer: Tokenizer
    num_base_tokens: int
    """Tokens before `repeat`."""
    repeat: int
    text_digest: str
    """SHA-256 of the text as UTF-8, in hex: whether a second pass reads the same text."""

    def __post_init__(self) -> None:
        if self.num_tokens > MAX_TOKENS:
            raise CorpusError(
                f"{self.num_base_tokens:,} tokens repeated {self.repeat:,} times make "
                f"{self.num_tokens:,}; at most {MAX_TOKENS:,} are allowed"
            )

    @property
    def num_tokens(self) -> int:
        """Tokens after `repeat`."""
        return self.num_base_tokens * self.repeat


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A text's token ids, in the cache (`path`) or here (`data`), before they are repeated."""

    info: CorpusInfo
    digest: str
    """SHA-256 over all ids after `repeat`, as little-endian 32-bit integers; 64 hex digits."""
    dtype: IdType
    """How `path` and `data` store an id, little-endian: the smallest type for the vocabulary."""
    path: Path | None
    data: bytes | None

    def head(self, n: int) -> list[int]:
        """The first `n` ids after `repeat`, or all where there are fewer."""
        num_ids = min(n, self.info.num_tokens)
        num_bytes = min(num_ids, self.info.num_base_tokens) * ITEM_SIZE[self.dtype]
        if self.data is not None:
            packed = self.data[:num_bytes]
        else:
            assert self.path is not None
            with self.path.open("rb") as file:
                packed = file.read(num_bytes)
        base = unpack(packed, self.dtype)
        return [base[index % len(base)] for index in range(num_ids)]


def scan(source: Source, tokenizer: str, repeat: int) -> CorpusInfo:
    """Read a text once: its vocabulary under the tokenizer of that name, and its length.

    Raises CorpusError for a source that cannot be read, a text without tokens, and more than
    `MAX_TOKENS` tokens after `repeat`.
    """
    hasher = hashlib.sha256()
    symbols, num_tokens = learn(tokenizer, hashed(source.chunks(), hasher), MAX_TOKENS)
    where = "" if source.kind == "text" else f"{escape(source.value)}: "
    noun = TOKENIZERS[tokenizer].noun
    if num_tokens == 0:
        raise CorpusError(f"{where}the text is empty: it holds no {noun}")
    if num_tokens > MAX_TOKENS:
        raise CorpusError(f"{where}must hold at most {MAX_TOKENS:,} {noun}s, got more")
    return CorpusInfo(
        source, TOKENIZERS[tokenizer](symbols), num_tokens, repeat, hasher.hexdigest()
    )


def encode(info: CorpusInfo, cache_dir: Path | None, *, write: bool) -> Corpus:
    """The corpus that `scan` looked at, from the cache where that holds it.

    Only files and builtins are cached. With `write` a missing entry is made, streaming, and the
    ids stay on disk; without, they are held in memory and nothing is written. With `cache_dir`
    None nothing is read either. Raises CorpusError when the text changed since the scan.
    """
    if cache_dir is None or info.source.kind not in CACHED_KINDS:
        return _in_memory(info)
    entry = cache.find(cache_dir, info.text_digest, info.tokenizer.name)
    if entry is None and not write:
        return _in_memory(info)
    if entry is None:
        entry = cache.write(
            cache_dir, info.text_digest, info.tokenizer, info.num_base_tokens, _packed(info)
        )
    return _on_disk(info, entry)


def open_corpus(
    source: Source, tokenizer: str, repeat: int, cache_dir: Path | None, *, write: bool
) -> Corpus:
    """`scan` and `encode` in one; where the cache holds the text, neither pass is made."""
    if cache_dir is not None and source.kind in CACHED_KINDS:
        entry = cache.find(cache_dir, digest_of(source.chunks()), tokenizer)
        if entry is not None:
            info = CorpusInfo(source, entry.tokenizer, entry.num_tokens, repeat, entry.text_digest)
            return _on_disk(info, entry)
    return encode(scan(source, tokenizer, repeat), cache_dir, write=write)


def _packed(info: CorpusInfo) -> Iterator[bytes]:
    """The second pass: ids before `repeat`, packed; CorpusError when the text is another now."""
    changed = CorpusError(
        f"{escape(info.source.value)}: changed while it was being read; run again when it is still"
    )
    hasher = hashlib.sha256()
    pack = packer(info.tokenizer)
    for piece in info.tokenizer.cut(hashed(info.source.chunks(), hasher)):
        try:
            packed = pack(piece)
        except CorpusError:  # a symbol that the first pass did not meet
            raise changed from None
        yield packed
    if hasher.hexdigest() != info.text_digest:
        raise changed


def _in_memory(info: CorpusInfo) -> Corpus:
    data = b"".join(_packed(info))
    dtype = id_type(info.tokenizer.vocab_size)

    def blocks() -> Iterator[bytes]:
        starts = range(0, len(data), cache.BLOCK_BYTES)
        return (data[start : start + cache.BLOCK_BYTES] for start in starts)

    digest = _digest(blocks, len(data), dtype, info.repeat)
    return Corpus(info, digest, dtype, path=None, data=data)


def _on_disk(info: CorpusInfo, entry: cache.Entry) -> Corpus:
    dtype = id_type(entry.tokenizer.vocab_size)
    digest = entry.ids_digest
    if info.repeat > 1:
        num_bytes = info.num_base_tokens * ITEM_SIZE[dtype]
        digest = _digest(lambda: cache.read_blocks(entry.path), num_bytes, dtype, info.repeat)
    return Corpus(info, digest, dtype, path=entry.path, data=None)


def _digest(
    blocks: Callable[[], Iterable[bytes]], num_bytes: int, dtype: IdType, repeat: int
) -> str:
    """SHA-256 over `repeat` times the packed ids that `blocks` yields, as 32-bit integers."""
    hasher = hashlib.sha256()
    if num_bytes >= cache.BLOCK_BYTES:
        for _ in range(repeat):
            for block in blocks():
                hasher.update(widen(block, dtype))
        return hasher.hexdigest()
    # A short text by many repetitions at a time: 4 tokens x 2^24 take 0.2 s and not 2 s.
    once = widen(b"".join(blocks()), dtype)
    times = min(repeat, cache.BLOCK_BYTES // num_bytes)
    many = once * times
    for _ in range(repeat // times):
        hasher.update(many)
    hasher.update(once * (repeat % times))
    return hasher.hexdigest()
