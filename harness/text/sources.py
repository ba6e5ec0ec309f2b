"""Where a corpus's text comes from: the sweep file itself, a file, or a text that ships.

Each kind of source is a function from its value to the text in chunks, so that a file of any size
passes through a few megabytes of memory. Reading never blocks and never runs without end: a path
is looked at before it is opened, and devices, pipes and directories are refused.

To add one: a function and a line in ``CORPORA``.
"""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics  # 465 kB, read in 1 ms
from typing import Literal

from harness.errors import CorpusError, escape, nearest, show

CHUNK_BYTES = 2**20


@dataclasses.dataclass(frozen=True)
class Source:
    """A text and how to get at it: the text itself, a file's path, or a builtin's name."""

    kind: Literal["text", "file", "builtin"]
    value: str

    def chunks(self) -> Iterator[str]:
        """The text in chunks, in order; a CorpusError where it cannot be read."""
        return CORPORA[self.kind](self.value)

    def __str__(self) -> str:
        return f"{self.kind} {show(self.value) if self.kind == 'text' else escape(self.value)}"


def digest_of(chunks: Iterator[str]) -> str:
    """SHA-256 of a text as UTF-8, in 64 hex digits; the same however it is cut into chunks."""
    hasher = hashlib.sha256()
    for _ in hashed(chunks, hasher):
        pass
    return hasher.hexdigest()


def hashed(chunks: Iterator[str], hasher: hashlib._Hash) -> Iterator[str]:
    """The same chunks, each fed to `hasher` on its way."""
    for chunk in chunks:
        # A text given in YAML may hold lone surrogates, which plain UTF-8 refuses.
        hasher.update(chunk.encode("utf-8", "surrogatepass"))
        yield chunk


def read_text(text: str) -> Iterator[str]:
    """The text itself, as one chunk."""
    yield text


def read_file(path: str) -> Iterator[str]:
    """A regular UTF-8 file, newlines kept, a byte order mark dropped."""
    _check_regular(path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with Path(path).open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            offset = file.tell()  # of the next block
            ended = False
            while not ended:
                block = file.read(CHUNK_BYTES)
                ended = not block
                begun = len(decoder.getstate()[0])  # bytes of a character that a block's end cut
                yield decoder.decode(block, final=ended)
                offset += len(block)
    except UnicodeDecodeError as error:
        at = offset - begun + error.start
        raise CorpusError(f"{escape(path)}: not UTF-8 at byte {at}: {error.reason}") from None
    except OSError as error:
        raise CorpusError(f"{escape(path)}: cannot be read: {error.strerror}") from error


def _check_regular(path: str) -> None:
    """A CorpusError unless `path` leads to a regular file; opens nothing."""
    shown = escape(path)
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise CorpusError(f"no such file: {shown}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"{shown}: cannot be read: {reason}") from None
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "directory", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(mode), "device")
        raise CorpusError(f"{shown}: must be a regular file, got a {kind}")


def read_builtin(name: str) -> Iterator[str]:
    """A text that ships with Python; `BUILTINS` says which there are."""
    if name not in BUILTINS:
        near = nearest(name, BUILTINS)
        hint = f"; did you mean {near}?" if near else ""
        raise CorpusError(
            f"unknown builtin corpus {show(name)}; must be one of {', '.join(BUILTINS)}{hint}"
        )
    return BUILTINS[name]()


def read_python_docs() -> Iterator[str]:
    """The language reference behind `help()`: every topic by sorted key, blank lines between.

    About 465,000 characters; they differ between versions of Python, and so does the digest.
    """
    yield "\n\n".join(topics[key] for key in sorted(topics))


BUILTINS: dict[str, Callable[[], Iterator[str]]] = {"python-docs": read_python_docs}

CORPORA: dict[str, Callable[[str], Iterator[str]]] = {
    "text": read_text,
    "file": read_file,
    "builtin": read_builtin,
}
