"""Collects every mistake of a sweep file, each at the place where it was written.

A value that many runs share is found wrong many times; it is told once, at its own line, with the
names of those who inherit it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from harness.errors import Problem, SweepFileError
from harness.spec.nodes import Node
from harness.spec.wording import Finding, Location, explain

MAX_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class Entry:
    """Who a value is for: a named entry of the file, such as experiments.sgd."""

    path: str
    node: Node


class Problems:
    """The mistakes found so far in one file."""

    def __init__(self, file: str, lines: Sequence[str]) -> None:
        self.file, self.lines = file, lines
        self._found: dict[tuple[str, int, int, str, str], list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def at(self, node: Node, message: str, *, key: bool = False) -> None:
        """A mistake at a value, or at its key."""
        self._add(node, message, node.path, key, None)

    def validation(self, error: ValidationError, model: type[BaseModel], entry: Entry) -> None:
        """Every mistake that pydantic found in the value of ``entry``."""
        for finding in explain(error, model):
            self.finding(finding, entry)

    def finding(self, finding: Finding, entry: Entry) -> None:
        """One mistake at a location inside the value of ``entry``."""
        node, rest = locate(entry.node, finding.location)
        path = node.path
        if rest:
            own = node.path.startswith(entry.path)
            if not own:
                node = entry.node  # missing: told where the entry is, not where a sibling came from
            tail = finding.location if not own else rest
            path = ".".join([entry.path if not own else node.path, *_names(tail, entry.node)])
        self._add(node, finding.message, path, finding.on_key or bool(rest), entry.path)

    def _add(self, node: Node, message: str, path: str, key: bool, user: str | None) -> None:
        line, column = node.line, node.column
        if key and node.key_line:
            line, column = node.key_line, node.key_column
        found = (node.file or self.file, line, column, path, message)
        users = self._found.setdefault(found, [])
        inherited = user is not None and not path.startswith(user) and not node.file
        if inherited and user is not None and user not in users:
            users.append(user)

    def raise_if_any(self) -> None:
        """Raises SweepFileError with every problem, in the order in which they stand."""
        if self._found:
            raise SweepFileError(self.problems())

    def problems(self) -> list[Problem]:
        """The problems found, in the order in which they stand; at most `MAX_SHOWN`."""
        made = sorted(
            Problem(file, line, column, path, message + _used_by(users), self._source(file, line))
            for (file, line, column, path, message), users in self._found.items()
        )
        if len(made) <= MAX_SHOWN:
            return made
        more = Problem(self.file, 0, 0, "", f"and {len(made) - MAX_SHOWN} further problems")
        return [*made[:MAX_SHOWN], more]

    def _source(self, file: str, line: int) -> str:
        return self.lines[line - 1] if file == self.file and 0 < line <= len(self.lines) else ""


def locate(node: Node, location: Location) -> tuple[Node, Location]:
    """The deepest node on the way to a location, and what of the way is missing.

    pydantic puts the tag of a tagged union (an optimizer's name, say) into its locations; a part
    that is no key but the value of `name` or `type` is such a tag and is passed over.
    """
    for i, part in enumerate(location):
        children = node.entries()
        if isinstance(part, int) and part < len(node.items()):
            node = node.items()[part]
        elif str(part) in children:
            node = children[str(part)]
        elif not _is_tag(node, part):
            return node, location[i:]
    return node, ()


def _is_tag(node: Node, part: str | int) -> bool:
    children = node.entries()
    return any(key in children and children[key].value == part for key in ("name", "type"))


def _names(location: Location, root: Node) -> list[str]:
    """The parts of a location without the tags in it."""
    names, node = [], root
    for part in location:
        children = node.entries()
        if str(part) in children:
            node = children[str(part)]
        elif _is_tag(node, part):
            continue
        names.append(str(part))
    return names


def _used_by(users: Sequence[str]) -> str:
    if not users:
        return ""
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    return f" (used by {', '.join(users[:3])}{more})"
