"""Text to token ids and back.

Two tokenizers: `WordTokenizer` cuts at whitespace and numbers words by first appearance, as the
tutorial does with "I love AI !"; `CharTokenizer` numbers the sorted distinct characters. Both
learn from a text given in chunks, so that a corpus larger than memory works, and both travel as
JSON inside a checkpoint.

Guarantees: the ids of a text do not depend on how it was cut into chunks; `decode(encode(t))` is
`t` for characters, and `t` with each run of whitespace made one space for words.

To add one: a subclass of `Tokenizer` and a line in ``TOKENIZERS``.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from harness.errors import CorpusError, nearest, show

REPLACEMENT = "\ufffd"  # shows an id without a symbol: a model's vocabulary may be the larger one


@dataclasses.dataclass(frozen=True)
class Tokenizer(abc.ABC):
    """A list of symbols; the id of a symbol is its place in the list.

    Raises CorpusError when the symbols are none, repeated, or not what this kind cuts text into.
    """

    symbols: tuple[str, ...]
    name: ClassVar[str]
    noun: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.symbols:
            raise CorpusError(f"a tokenizer needs at least one {self.noun}")
        if len(self.ids) < self.vocab_size:
            repeated = next(s for i, s in enumerate(self.symbols) if self.ids[s] != i)
            raise CorpusError(f"the {self.noun} {show(repeated)} has two ids")
        for symbol in self.symbols:
            if not self.is_symbol(symbol):
                raise CorpusError(f"{show(symbol)} is not one {self.noun}")

    @property
    def vocab_size(self) -> int:
        """V, the number of symbols."""
        return len(self.symbols)

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """The id of every symbol."""
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    def encode(self, text: str) -> list[int]:
        """The ids of `text`; a CorpusError for a symbol that is not known."""
        try:
            return [self.ids[symbol] for piece in self.cut([text]) for symbol in piece]
        except KeyError as missing:
            raise self.unknown(missing.args[0]) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; an id outside the vocabulary shows as U+FFFD."""
        size = self.vocab_size
        return self.join(self.symbols[i] if 0 <= i < size else REPLACEMENT for i in ids)

    def unknown(self, symbol: str) -> CorpusError:
        """The error for a symbol that is not known, with the nearest that is."""
        near = nearest(symbol, self.symbols)
        hint = f"; did you mean {show(near)}?" if near else ""
        known = f"{self.vocab_size:,} {self.noun}{'s' * (self.vocab_size != 1)}"
        return CorpusError(f"unknown {self.noun} {show(symbol)}; the corpus has {known}{hint}")

    def to_json(self) -> str:
        """The tokenizer as JSON, for `tokenizer_from_json`."""
        content = {"tokenizer": self.name, "symbols": self.symbols}
        return json.dumps(content, separators=(",", ":"))

    @staticmethod
    @abc.abstractmethod
    def cut(chunks: Iterable[str]) -> Iterator[Sequence[str]]:
        """The symbols of a text that comes in chunks, in order, some at a time."""

    @staticmethod
    @abc.abstractmethod
    def join(symbols: Iterable[str]) -> str:
        """The text of a row of symbols."""

    @staticmethod
    @abc.abstractmethod
    def ordered(seen: Iterable[str]) -> tuple[str, ...]:
        """Distinct symbols, given by first appearance, in the order of their ids."""

    @staticmethod
    @abc.abstractmethod
    def is_symbol(text: str) -> bool:
        """Whether `text` could be one symbol."""


@dataclasses.dataclass(frozen=True)
class WordTokenizer(Tokenizer):
    """Words between whitespace; ids by first appearance.

    >>> words = WordTokenizer(("I", "love", "AI", "!"))
    >>> words.encode("I love  AI !"), words.decode([0, 1])
    ([0, 1, 2, 3], 'I love')
    """

    name = "words"
    noun = "word"

    @staticmethod
    def cut(chunks: Iterable[str]) -> Iterator[Sequence[str]]:
        """The words of each chunk; one that a border cuts is made whole first."""
        begun: list[str] = []  # the parts of a word that has not ended yet
        for chunk in filter(None, chunks):
            words = chunk.split()
            if begun and not chunk[0].isspace():
                begun.append(words.pop(0))
                if not words and not chunk[-1].isspace():
                    continue
            if begun:
                words.insert(0, "".join(begun))
                begun.clear()
            if not chunk[-1].isspace():
                begun.append(words.pop())
            yield words
        if begun:
            yield ["".join(begun)]

    @staticmethod
    def join(symbols: Iterable[str]) -> str:
        """The words with one space between."""
        return " ".join(symbols)

    @staticmethod
    def ordered(seen: Iterable[str]) -> tuple[str, ...]:
        """The words as first seen."""
        return tuple(seen)

    @staticmethod
    def is_symbol(text: str) -> bool:
        """Whether `text` is one word, without whitespace."""
        return text.split() == [text]


@dataclasses.dataclass(frozen=True)
class CharTokenizer(Tokenizer):
    """Single characters; ids by sorted distinct characters.

    >>> chars = CharTokenizer(("a", "b"))
    >>> chars.encode("abba"), chars.decode([1, 0])
    ([0, 1, 1, 0], 'ba')
    """

    name = "chars"
    noun = "character"

    @staticmethod
    def cut(chunks: Iterable[str]) -> Iterator[Sequence[str]]:
        """The chunks themselves: a text is the sequence of its characters."""
        return iter(chunks)

    @staticmethod
    def join(symbols: Iterable[str]) -> str:
        """The characters in a row."""
        return "".join(symbols)

    @staticmethod
    def ordered(seen: Iterable[str]) -> tuple[str, ...]:
        """The characters sorted by code point."""
        return tuple(sorted(seen))

    @staticmethod
    def is_symbol(text: str) -> bool:
        """Whether `text` is one character."""
        return len(text) == 1


TOKENIZERS: dict[str, type[Tokenizer]] = {
    "words": WordTokenizer,
    "chars": CharTokenizer,
}


def learn(name: str, chunks: Iterable[str], max_tokens: int) -> tuple[tuple[str, ...], int]:
    """The symbols, in the order of their ids, and the number of tokens of a text in chunks.

    Reading ends as soon as there are more than `max_tokens`; the number then says so.
    """
    kind = TOKENIZERS[name]
    seen: dict[str, None] = {}  # a set that keeps the order of first appearance
    num_tokens = 0
    for piece in kind.cut(chunks):
        seen.update(dict.fromkeys(piece))
        num_tokens += len(piece)
        if num_tokens > max_tokens:
            break
    return kind.ordered(seen), num_tokens


def tokenizer_from_json(text: str) -> Tokenizer:
    """The tokenizer that `to_json` wrote; a CorpusError when `text` is anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"the tokenizer is not JSON ({error})") from None
    if not isinstance(content, dict) or set(content) != {"tokenizer", "symbols"}:
        raise CorpusError("the tokenizer's JSON must hold exactly the keys tokenizer and symbols")
    name, symbols = content["tokenizer"], content["symbols"]
    if not isinstance(name, str) or name not in TOKENIZERS:
        allowed = ", ".join(TOKENIZERS)
        raise CorpusError(f"unknown tokenizer {show(name)}; must be one of {allowed}")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise CorpusError("the tokenizer's symbols must be a list of texts")
    return TOKENIZERS[name](tuple(symbols))
