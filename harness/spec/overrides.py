"""`--set PATH=VALUE`: a layer on top of every entry, its values written as YAML."""

from __future__ import annotations

from harness.errors import Problem, SweepFileError, UsageError, escape, show
from harness.spec.expand import check_path
from harness.spec.nodes import Node
from harness.spec.problems import Problems
from harness.spec.yaml_reader import parse_value

Override = tuple[str, Node]


def read_override(text: str, problems: Problems) -> Override | None:
    """The dotted path and the value of one `--set`; None after telling that there is no such path.

    Raises UsageError where the `=` is missing, SweepFileError where the value is not YAML.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {show(text)}: must be PATH=VALUE, such as train.steps=100")
    label = f"--set {escape(text)}"
    try:
        node = parse_value(value)
    except SweepFileError as error:
        raise SweepFileError([Problem(label, 0, 0, path, error.problems[0].message)]) from None
    node = Node(node.value, path=path, file=label)
    return (path, node) if check_path(path, node, problems) else None
