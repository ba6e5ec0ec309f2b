"""A text of a megabyte to token ids: as a first run does it, and as the next one does.

The text is Python's own documentation, repeated to a million characters. Both tokenizers pass
over it twice when it is new (to learn the vocabulary, to encode) and once when it is cached.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from figures import Figure
from rounds import interleaved, spread_of

from harness.text.corpora import Corpus, encode, scan
from harness.text.sources import Source
from harness.text.tokenizers import TOKENIZERS

NUM_CHARACTERS = 1_000_000
LIMIT_S = 0.5


def measure(rounds: int) -> list[Figure]:
    """Seconds for each tokenizer without a cache entry, and the ratio with one."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "text.txt"
        path.write_text(one_megabyte(), encoding="utf-8")
        return [f for tokenizer in TOKENIZERS for f in _encoding(path, tokenizer, rounds)]


def one_megabyte() -> str:
    """Real English with code in it, a million characters of it."""
    docs = "".join(Source("builtin", "python-docs").chunks())
    return (docs * (NUM_CHARACTERS // len(docs) + 1))[:NUM_CHARACTERS]


def _encoding(path: Path, tokenizer: str, rounds: int) -> list[Figure]:
    source = Source("file", str(path))
    fresh = itertools.count()

    def corpus(cache: str) -> Corpus:
        return encode(scan(source, tokenizer, 1), path.parent / cache, write=True)

    warm = f"{tokenizer}-warm"
    corpus(warm)
    pairs = interleaved(
        lambda: corpus(warm), lambda: corpus(f"{tokenizer}-cold-{next(fresh)}"), rounds
    )
    return [
        Figure(f"1 MB of text encoded, {tokenizer}, cold", spread_of(pairs.b), "s", LIMIT_S),
        Figure(f"cached / cold, {tokenizer}", pairs.ratio()),
    ]
