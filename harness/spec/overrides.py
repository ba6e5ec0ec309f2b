"""`--set PATH=VALUE`: a layer on top of every entry, its values written as YAML."""

from __future__ import annotations

from harness.errors import SweepFileError, UsageError, shorten, show
from harness.spec.expand import check_path
from harness.spec.nodes import Node
from harness.spec.problems import Problems
from harness.spec.yaml_reader import parse_value

Override = tuple[str, Node]


def read_override(text: str, problems: Problems) -> Override | None:
    """The dotted path and the value of one `--set`; None after telling what is wrong with them.

    Raises UsageError where the `=` is missing.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {show(text)}: must be PATH=VALUE, such as train.steps=100")
    label = f"--set {shorten(text)}"
    try:
        node = parse_value(value)
    except SweepFileError as error:
        problems.at(Node(None, path=path, file=label), error.problems[0].message)
        return None
    node = Node(node.value, path=path, file=label)
    return (path, node) if check_path(path, node, problems) else None
