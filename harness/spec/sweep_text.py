"""A sweep file's bytes to text, and places in it.

The text is UTF-8, a byte order mark dropped. Its lines are those of YAML 1.2, which are fewer than
`str.splitlines` knows: a problem's line must be the one that an editor shows.
"""

from __future__ import annotations

import codecs
import dataclasses
import re

from harness.errors import Problem, SweepFileError

MAX_BYTES = 1_000_000

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclasses.dataclass(frozen=True)
class Mark:
    """A place, both numbers from 0, as ruamel has it."""

    line: int
    column: int


def mark_at(text: str, position: int) -> Mark:
    """The place of a character of a text."""
    before = split_lines(text[:position])
    return Mark(len(before) - 1, len(before[-1]))


def whole_file_error(path: str, message: str) -> SweepFileError:
    """A mistake of the file as a whole, to be raised."""
    return SweepFileError([Problem(path, 1, 1, "", message)])


def read_text(path: str, data: bytes) -> str:
    """The text of a sweep file, its byte order mark dropped.

    Raises SweepFileError when it is too long, empty or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise whole_file_error(
            path, f"the file has more than {MAX_BYTES:,} bytes, the most that is allowed"
        )
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        mark = mark_at(before, len(before))
        source = split_lines(data.decode(errors="backslashreplace"))[mark.line]
        message = f"the file must be UTF-8, found the byte 0x{data[error.start]:02x}"
        problem = Problem(path, mark.line + 1, mark.column + 1, "", message, source)
        raise SweepFileError([problem]) from None
    if not text.strip():
        raise whole_file_error(path, "the file is empty; it needs version, name and experiments")
    return text


def split_lines(text: str) -> list[str]:
    """The lines of a text as YAML counts them, without their breaks."""
    return _LINE_BREAK.split(text)
