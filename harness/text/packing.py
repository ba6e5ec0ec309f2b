"""Token ids as bytes: the smallest integer that holds the vocabulary, and 32 bits for hashing.

Everything is little-endian whatever the machine, so that a cache and a digest mean the same
everywhere. Standard library only: `harness validate` reaches this module and must not pay for an
array library (numpy takes 65 ms or more to import, a 1 MB text 2 ms to pack).
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable, Sequence
from typing import Literal

from harness.text.tokenizers import CharTokenizer, Tokenizer

IdType = Literal["uint8", "int16", "int32"]
ITEM_SIZE: dict[IdType, int] = {"uint8": 1, "int16": 2, "int32": 4}
Pack = Callable[[Sequence[str]], bytes]


def id_type(vocab_size: int) -> IdType:
    """The smallest storage type that holds every id below `vocab_size`."""
    if vocab_size <= 2**8:
        return "uint8"
    return "int16" if vocab_size <= 2**15 else "int32"


def packer(tokenizer: Tokenizer) -> Pack:
    """A function from a row of symbols to their ids as bytes, in `id_type(V)`, little-endian.

    It raises the tokenizer's CorpusError for a symbol that is not known.
    """
    dtype = id_type(tokenizer.vocab_size)
    if dtype == "uint8" and isinstance(tokenizer, CharTokenizer):
        return _translate(tokenizer)
    look_up = _Ids(tokenizer).__getitem__

    def pack(symbols: Sequence[str]) -> bytes:
        if dtype == "uint8":
            return bytes(map(look_up, symbols))
        packed = array.array("h" if dtype == "int16" else "i", map(look_up, symbols))
        if sys.byteorder == "big":
            packed.byteswap()
        return packed.tobytes()

    return pack


def widen(packed: bytes, dtype: IdType) -> bytes:
    """The same ids as little-endian 32-bit integers; ids are never negative.

    >>> widen(bytes([1, 2]), "uint8")
    b'\\x01\\x00\\x00\\x00\\x02\\x00\\x00\\x00'
    """
    size = ITEM_SIZE[dtype]
    if size == 4:
        return packed
    wide = bytearray(len(packed) // size * 4)
    for byte in range(size):
        wide[byte::4] = packed[byte::size]
    return bytes(wide)


def unpack(packed: bytes, dtype: IdType) -> list[int]:
    """The ids that `packed` holds."""
    size = ITEM_SIZE[dtype]
    starts = range(0, len(packed), size)
    return [int.from_bytes(packed[start : start + size], "little") for start in starts]


class _Ids(dict[str, int]):
    """The id of every symbol; asking for another raises the tokenizer's own error."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer.ids)
        self._tokenizer = tokenizer

    def __missing__(self, symbol: str) -> int:
        raise self._tokenizer.unknown(symbol)


class _CodePoints(dict[int, int]):
    """A table for `str.translate`; a character outside it raises the tokenizer's own error."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__({ord(char): index for char, index in tokenizer.ids.items()})
        self._tokenizer = tokenizer

    def __missing__(self, code_point: int) -> int:
        raise self._tokenizer.unknown(chr(code_point))


def _translate(tokenizer: CharTokenizer) -> Pack:
    """`packer` for at most 256 characters: ids below 256 are characters of Latin-1.

    1 MB takes 2 ms, against 29 ms by looking up every character.
    """
    table = _CodePoints(tokenizer)

    def pack(symbols: Sequence[str]) -> bytes:
        assert isinstance(symbols, str)
        return symbols.translate(table).encode("latin-1")

    return pack
