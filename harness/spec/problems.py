"""Collects every mistake of a sweep file, each at the place where it was written.

A value that many runs share is found wrong many times; it is told once, at its own line, with the
names of those who inherit it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from harness.errors import Problem, SweepFileError, escape
from harness.spec.nodes import Node
from harness.spec.wording import Finding, Location, explain

MAX_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class Entry:
    """Who a value is for: a named entry of the file, such as experiments.sgd."""

    path: str
    node: Node


class Problems:
    """The mistakes found so far in one file.

    ``in_yaml`` are those of the text itself. What else is said of the same places only follows
    from them and is left out.
    """

    def __init__(self, file: str, lines: Sequence[str], in_yaml: Sequence[Problem] = ()) -> None:
        self.file, self.lines, self.in_yaml = file, lines, in_yaml
        self._found: dict[tuple[str, int, int, str, str], list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found or self.in_yaml)

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
        if rest and _is_within(path, entry.path):
            path += _names(rest, entry.node)
        elif rest or not path:
            if path and not node.file:
                node = entry.node  # missing: told where the entry is, not where a sibling came from
            path = entry.path + _names(finding.location, entry.node)
        self._add(node, finding.message, path, finding.on_key or bool(rest), entry.path)

    def _add(self, node: Node, message: str, path: str, key: bool, user: str | None) -> None:
        line, column = node.line, node.column
        if key and node.key_line:
            line, column = node.key_line, node.key_column
        found = (node.file or self.file, line, column, escape(path), escape(message))
        users = self._found.setdefault(found, [])
        if user is not None and not _is_within(path, user) and user not in users:
            users.append(user)

    def raise_if_any(self) -> None:
        """Raises SweepFileError with every problem, in the order in which they stand."""
        if self:
            raise SweepFileError(self.problems())

    def problems(self) -> list[Problem]:
        """The problems found, in the order in which they stand; at most `MAX_SHOWN`."""
        taken = {(problem.line, problem.column) for problem in self.in_yaml}
        made = list(self.in_yaml)
        made += (
            Problem(file, line, column, path, message + _used_by(users), self._source(file, line))
            for (file, line, column, path, message), users in self._found.items()
            if (line, column) not in taken
        )
        made.sort()
        if len(made) <= MAX_SHOWN:
            return made
        more = Problem(self.file, 0, 0, "", f"and {len(made) - MAX_SHOWN} further problems")
        return [*made[:MAX_SHOWN], more]

    def _source(self, file: str, line: int) -> str:
        return self.lines[line - 1] if file == self.file and 0 < line <= len(self.lines) else ""


def _is_within(path: str, entry: str) -> bool:
    """Whether a dotted path leads into an entry, or to it."""
    return path == entry or path.startswith((f"{entry}.", f"{entry}["))


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


def _names(location: Location, root: Node) -> str:
    """A location as the end of a dotted path, without the tags in it."""
    names, node = "", root
    for part in location:
        children = node.entries()
        if str(part) in children:
            node = children[str(part)]
        elif _is_tag(node, part):
            continue
        names += f"[{part}]" if isinstance(part, int) else f".{part}"
    return names


def _used_by(users: Sequence[str]) -> str:
    if not users:
        return ""
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    return f" (used by {', '.join(users[:3])}{more})"
