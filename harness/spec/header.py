"""The top level of a sweep file: version, name, description, defaults, and the named entries.

Everything that can be said of these without resolving a run.
"""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel, ValidationError

from harness.errors import show
from harness.spec.expand import home_of
from harness.spec.foreign import translate
from harness.spec.layers import RUN_KEYS, SECTIONS, Layer, run_layer
from harness.spec.names import check_name
from harness.spec.nodes import Node
from harness.spec.optimizers import OPTIMIZERS
from harness.spec.problems import Entry, Problems
from harness.spec.run_config import RunConfig
from harness.spec.wording import explain, unknown_key

TOP_KEYS = ("version", "name", "description", "defaults", "experiments", "searches")


def check_top(root: Node, problems: Problems) -> None:
    """Tells what is wrong at the top level; raises at once when it is no mapping at all."""
    if not root.is_mapping:
        keys = ", ".join(TOP_KEYS)
        problems.at(root, f"a sweep is a mapping with {keys}, got {show(root.plain())}")
        problems.raise_if_any()
    check_keys(root, TOP_KEYS, problems)
    _check_version(root, problems)
    _check_sweep_name(root, problems)
    text(root, "description", problems)
    entries = root.entries()
    if not any(entries.get(key, Node(None)).value for key in ("experiments", "searches")):
        where = entries.get("experiments") or entries.get("searches") or root
        problems.at(where, "nothing is declared: add experiments or searches")


def check_keys(node: Node, known: Collection[str], problems: Problems) -> None:
    """Tells every key of a mapping that is not known, with the one that was probably meant."""
    for key, child in node.entries().items():
        if key in known:
            continue
        home = home_of(key) if "train" in known and translate(key, known) is None else None
        if home is None:
            problems.at(child, unknown_key(key, known), key=True)
        else:
            message = f"unknown key {show(key)} here; it is {home}: write it under"
            problems.at(child, f"{message} {home.partition('.')[0]}", key=True)


def _check_version(root: Node, problems: Problems) -> None:
    node = root.entries().get("version")
    if node is None:
        problems.at(root, "version is required: version: 1")
    elif node.value != 1 or isinstance(node.value, bool):
        problems.at(node, f"must be 1, the only version, got {show(node.plain())}")


def _check_sweep_name(root: Node, problems: Problems) -> None:
    node = root.entries().get("name")
    if node is None:
        problems.at(root, "name is required: it names the MLflow experiment")
    elif not isinstance(node.value, str):
        problems.at(node, f"must be text, got {show(node.plain())}")
    else:
        check_name(node.value, node, problems, key=False, syntax=False)


def text(parent: Node, key: str, problems: Problems) -> str:
    """A text among a mapping's keys, or the empty one."""
    node = parent.entries().get(key)
    if node is None or node.value is None:
        return ""
    if not isinstance(node.value, str):
        problems.at(node, f"must be text, got {show(node.plain())}")
    elif any("\ud800" <= c <= "\udfff" for c in node.value):
        problems.at(node, "must be text without half of a surrogate pair")
    return str(node.value)


def named_entries(
    root: Node, kind: str, known: Collection[str], problems: Problems
) -> dict[str, Node]:
    """The entries under `experiments` or `searches`; an entry without a value is an empty one."""
    node = root.entries().get(kind, Node(None))
    if node.value is None:
        return {}
    if not node.is_mapping:
        problems.at(node, f"must be a mapping of names to entries, got {show(node.plain())}")
        return {}
    entries = {}
    for name, entry in node.entries().items():
        check_name(name, entry, problems, key=True, syntax=True)
        if entry.value is not None and not entry.is_mapping:
            problems.at(entry, f"must be a mapping, got {show(entry.plain())}")
            continue
        entries[name] = entry if entry.is_mapping else entry.with_value({})
        check_keys(entries[name], known, problems)
    return entries


def read_defaults(root: Node, problems: Problems) -> Layer:
    """The defaults, checked as far as they can be without an entry that completes them."""
    node = root.entries().get("defaults", Node({}))
    if not node.is_mapping and node.value is not None:
        problems.at(node, f"must be a mapping, got {show(node.plain())}")
    check_keys(node, RUN_KEYS, problems)
    layer = run_layer(node)
    for section, child in layer.items():
        if section in SECTIONS:
            _check_partial(section, child, problems)
    return layer


def _check_partial(section: str, node: Node, problems: Problems) -> None:
    """What is wrong with each value by itself; an entry may set what is missing or not fitting."""
    model = _section_model(section, node)
    if model is None:
        return
    try:
        model.model_validate(node.plain())
    except ValidationError as error:
        findings = zip(error.errors(), explain(error, model), strict=True)
        for item, finding in findings:
            if item["type"] not in ("missing", "harness"):  # harness: how several keys go together
                problems.finding(finding, Entry(node.path, node))


def _section_model(section: str, node: Node) -> type[BaseModel] | None:
    """The model of a section; None for an optimizer that does not say which it is."""
    if section == "optimizer":
        name = node.entries().get("name", Node(None)).value
        return OPTIMIZERS.get(name) if isinstance(name, str) else None
    annotation = RunConfig.model_fields[section].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return annotation
