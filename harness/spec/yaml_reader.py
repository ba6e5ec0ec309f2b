"""YAML text to a tree of `Node`s, safely.

ruamel's parser events (YAML 1.2) are built into nodes with line, column and dotted path. The
guarantees: duplicate keys, tags, looping anchors and further documents are problems, and the
limits below hold before anything is built, so a small file cannot become a large tree.

The limits keep the refusal of any file under a second: ruamel reads some 40,000 values a second.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from harness.errors import Problem, SweepFileError, shorten, show
from harness.spec.nodes import Node, Scalar
from harness.spec.scalars import resolve
from harness.spec.sweep_text import Mark, mark_at, split_lines, whole_file_error

MAX_DEPTH = 32
MAX_NODES = 30_000
MAX_DIGITS = 40  # of a whole number; the largest setting has 19

_TOO_LONG: int = 10**MAX_DIGITS

# ruamel decodes a tag of n characters in n^2 steps: 10 s where a file is one long tag.
_LONG_TAG = re.compile(r"(?<![^\s\[{,])![-\w;/?:@&=+$,.!~*'()\[\]%#]{1000}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class _Raw:
    """A value before aliases are spread out; ``size`` and ``depth`` count them spread."""

    value: Scalar | list[_Raw] | dict[str, tuple[Any, _Raw]]  # keys with their marks
    mark: Any
    size: int = 1
    depth: int = 0


@dataclasses.dataclass
class _Open:
    """A collection whose end has not been read yet, with the key that waits for its value."""

    event: Any
    value: list[_Raw] | dict[str, tuple[Any, _Raw]]
    pending: tuple[str, Any] | None = None

    def close(self) -> _Raw:
        """The finished collection."""
        values = self.value
        children = [v for _, v in values.values()] if isinstance(values, dict) else values
        size = 1 + sum(child.size for child in children)
        depth = 1 + max((child.depth for child in children), default=0)
        return _Raw(values, self.event.start_mark, size, depth)


def parse(path: str, text: str) -> tuple[Node, tuple[Problem, ...]]:
    """The tree of one YAML document, and the problems that do not keep it from being read.

    Those are duplicate keys (the first holds), tags (passed over) and numbers too long to be
    meant. Raises SweepFileError where reading cannot go on.
    """
    builder = _Builder(path, split_lines(text))
    if long_tag := _LONG_TAG.search(text):
        mark = mark_at(text, long_tag.start())
        raise builder.error(mark, "a tag of 1,000 characters or more is not allowed")
    try:
        for event in _events(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise builder.syntax_error(error) from None
    except ReaderError as error:
        mark = mark_at(text, error.position)
        character = error.character if isinstance(error.character, int) else ord(error.character)
        message = f"the character U+{character:04X} is not allowed in YAML"
        raise builder.error(mark, message) from None
    except YAMLError as error:
        raise whole_file_error(path, f"not valid YAML: {shorten(str(error))}") from None
    if builder.root is None:
        raise whole_file_error(path, "the file is empty; it needs version, name and experiments")
    return _spread(builder.root, ""), tuple(builder.problems)


def parse_value(text: str) -> Node:
    """One YAML value, as given to `--set`; raises SweepFileError when it is not valid YAML."""
    if not text.strip():
        return Node(None)
    node, problems = parse("", text)
    if problems:
        raise SweepFileError(problems)
    return node


def _events(text: str) -> Iterator[Any]:
    yaml = YAML(typ="safe", pure=True)
    yield from yaml.parse(text)


class _Builder:
    """Takes parser events in order, keeps the open collections on a stack, never recurses."""

    def __init__(self, path: str, lines: list[str]) -> None:
        self.path, self.lines = path, lines
        self.problems: list[Problem] = []
        self.root: _Raw | None = None
        self.open: list[_Open] = []
        self.anchors: dict[str, _Raw | None] = {}
        self.num_nodes = 0
        self.num_documents = 0

    def error(self, mark: Any, message: str) -> SweepFileError:
        return SweepFileError([*self.problems, self.problem(mark, message)])

    def problem(self, mark: Any, message: str, path: str = "") -> Problem:
        source = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Problem(self.path, mark.line + 1, mark.column + 1, path, message, source)

    def syntax_error(self, error: MarkedYAMLError) -> SweepFileError:
        mark = error.problem_mark or error.context_mark or Mark(0, 0)
        if "'\\t'" in str(error.problem):
            return self.error(mark, "a tab cannot indent YAML; use spaces")
        parts = [error.context, error.problem]
        return self.error(mark, "not valid YAML: " + ", ".join(shorten(p) for p in parts if p))

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self.num_documents += 1
            if self.num_documents > 1:
                message = "a second YAML document begins here; a sweep is one document"
                raise self.error(event.start_mark, message)
        elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
            self._start(event)
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._end()
        elif kind == "ScalarEvent":
            self._scalar(event)
        elif kind == "AliasEvent":
            self._alias(event)

    def _check_tag(self, event: Any) -> None:
        tag = event.ctag
        if tag is not None:
            written = f"{tag.handle or ''}{tag.suffix or ''}"
            message = f"the tag {shorten(written)} is not allowed; write plain values"
            self.problems.append(self.problem(event.start_mark, message, self._path()))

    def _start(self, event: Any) -> None:
        self._check_tag(event)
        self._count(1, event.start_mark)
        if len(self.open) >= MAX_DEPTH:
            raise self.error(event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        if event.anchor:
            self.anchors[event.anchor] = None
        self.open.append(_Open(event, {} if "Mapping" in type(event).__name__ else []))

    def _end(self) -> None:
        done = self.open.pop()
        raw = done.close()
        if done.event.anchor:
            self.anchors[done.event.anchor] = raw
        self._add(raw, done.event.start_mark, None)

    def _scalar(self, event: Any) -> None:
        self._check_tag(event)
        self._count(1, event.start_mark)
        raw = _Raw(self._value(event), event.start_mark)
        if event.anchor:
            self.anchors[event.anchor] = raw
        self._add(raw, event.start_mark, event.value)

    def _value(self, event: Any) -> Scalar:
        value: Scalar = str(event.value) if event.style else resolve(event.value)
        if not isinstance(value, int) or abs(value) < _TOO_LONG or self._awaits_key():
            return value
        message = f"must have at most {MAX_DIGITS} digits, got {show(value)}"
        self.problems.append(self.problem(event.start_mark, message, self._path()))
        return _TOO_LONG  # no setting takes it either

    def _path(self) -> str:
        """The keys and places that lead to the value that is being read."""
        path = ""
        for part in self.open:
            if isinstance(part.value, list):
                path += f"[{len(part.value)}]"
            elif part.pending is not None:
                path = _below(path, part.pending[0])
        return path

    def _awaits_key(self) -> bool:
        """Whether the next scalar is a key."""
        return (
            bool(self.open) and isinstance(self.open[-1].value, dict) and not self.open[-1].pending
        )

    def _alias(self, event: Any) -> None:
        name = shorten(event.anchor)
        if event.anchor not in self.anchors:
            raise self.error(event.start_mark, f"no anchor &{name} before this")
        target = self.anchors[event.anchor]
        if target is None:
            message = f"the alias *{name} stands inside its own anchor: a loop"
            raise self.error(event.start_mark, message)
        if len(self.open) + target.depth > MAX_DEPTH:
            raise self.error(event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        self._count(target.size, event.start_mark)
        key = None if isinstance(target.value, list | dict) else str(target.value)
        self._add(target, event.start_mark, key)

    def _add(self, raw: _Raw, mark: Any, key: str | None) -> None:
        if not self.open:
            self.root = raw
            return
        parent = self.open[-1]
        if isinstance(parent.value, list):
            parent.value.append(raw)
        elif parent.pending is None:
            if key is None or isinstance(raw.value, list | dict):
                raise self.error(mark, "a key must be text, found a list or a mapping")
            parent.pending = (key, mark)
        else:
            (name, key_mark), parent.pending = parent.pending, None
            if name in parent.value:
                line = parent.value[name][0].line + 1
                message = f"duplicate key {show(name)}; it stands on line {line} already"
                path = _below(self._path(), name)
                self.problems.append(self.problem(key_mark, message, path))
            else:
                parent.value[name] = (key_mark, raw)

    def _count(self, more: int, mark: Any) -> None:
        self.num_nodes += more
        if self.num_nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values (aliases counted where they are used)"
            raise self.error(mark, message)


def _below(path: str, key: str) -> str:
    return f"{path}.{shorten(key)}" if path else shorten(key)


def _spread(raw: _Raw, path: str, key_mark: Any = None) -> Node:
    """The tree with aliases spread out; no deeper than MAX_DEPTH, so recursion is safe."""
    value: Scalar | tuple[Node, ...] | dict[str, Node]
    if isinstance(raw.value, dict):
        value = {
            key: _spread(child, _below(path, key), mark) for key, (mark, child) in raw.value.items()
        }
    elif isinstance(raw.value, list):
        value = tuple(_spread(child, f"{path}[{i}]") for i, child in enumerate(raw.value))
    else:
        value = raw.value
    key = (key_mark.line + 1, key_mark.column + 1) if key_mark is not None else (0, 0)
    return Node(value, raw.mark.line + 1, raw.mark.column + 1, path, *key)
