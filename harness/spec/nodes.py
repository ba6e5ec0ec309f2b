"""A sweep file's values, each knowing where it was written.

pydantic says *what* is wrong with a value and nothing says *where*. So a file becomes a tree of
`Node`s, layers are merged as nodes, and a merged value still points at the line that it came from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

Scalar = str | int | float | bool | None


@dataclasses.dataclass(frozen=True)
class Node:
    """A value of the file: a scalar, a tuple of nodes, or a dict of nodes by key.

    ``line`` and ``column`` (from 1) are where the value stands, ``key_line`` and ``key_column``
    where its key does (0 where it has none); ``path`` is dotted, as written: it says by itself
    whether a merged value came from `defaults` or from another experiment.
    """

    value: Scalar | tuple[Node, ...] | dict[str, Node]
    line: int = 0
    column: int = 0
    path: str = ""
    key_line: int = 0
    key_column: int = 0
    file: str = ""  # set where the value does not come from the sweep file: `--set PATH=VALUE`

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self.value, dict)

    def entries(self) -> Mapping[str, Node]:
        """The children by key; empty for anything but a mapping."""
        return self.value if isinstance(self.value, dict) else {}

    def items(self) -> tuple[Node, ...]:
        """The children in order; empty for anything but a list."""
        return self.value if isinstance(self.value, tuple) else ()

    def plain(self) -> Any:
        """The value without positions: dicts, tuples and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(child.plain() for child in self.value)
        return self.value

    def with_value(self, value: Scalar | tuple[Node, ...] | dict[str, Node]) -> Node:
        """The same place with another value."""
        return dataclasses.replace(self, value=value)
