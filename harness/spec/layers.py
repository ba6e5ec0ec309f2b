"""Layers of settings, merged as nodes so that every value keeps its place in the file.

Built-in defaults < `defaults` < the sections of what `extends` names < the entry's own < its point
(matrix, zip, seeds, trial) < `--set`. Maps merge key by key, lists and scalars replace. Within a
layer the optimizer's name and the source of data apply first: another name drops the optimizer
keys inherited so far (SGD never inherits betas), another source the inherited one and `repeat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.spec.nodes import Node
from harness.spec.run_config import DATA_SOURCES

SECTIONS = ("model", "data", "optimizer", "train", "seed", "checkpoint")
RUN_KEYS = (*SECTIONS, "description", "tags")

Layer = Mapping[str, Node]


def run_layer(entry: Node) -> dict[str, Node]:
    """The run's sections among an entry's keys; an empty section counts as not written."""
    return {
        key: node
        for key, node in entry.entries().items()
        if key in RUN_KEYS and node.value is not None
    }


def point_layer(settings: Iterable[tuple[str, Node]]) -> dict[str, Node]:
    """One layer from dotted paths: {optimizer.lr: x} becomes {optimizer: {lr: x}}.

    The mappings stand where the value does and have no path of their own.
    """
    layer: dict[str, Node] = {}
    for path, node in settings:
        section, *keys = path.split(".")
        for key in reversed(keys):
            node = Node({key: node}, node.line, node.column, file=node.file)
        layer[section] = _deep(layer[section], node) if section in layer else node
    return layer


def merge(base: Layer, over: Layer) -> dict[str, Node]:
    """``base`` with ``over`` laid on top."""
    merged = dict(base)
    for section, node in over.items():
        if section not in merged:
            merged[section] = node
            continue
        inherited = merged[section]
        if section == "optimizer":
            inherited = _without_other_optimizer(inherited, node)
        elif section == "data":
            inherited = _without_other_source(inherited, node)
        merged[section] = _deep(inherited, node)
    return merged


def _deep(base: Node, over: Node) -> Node:
    if not (base.is_mapping and over.is_mapping):
        return over
    merged = dict(base.entries())
    for key, node in over.entries().items():
        merged[key] = _deep(merged[key], node) if key in merged else node
    return over.with_value(merged)


def _without_other_optimizer(base: Node, over: Node) -> Node:
    old, new = base.entries().get("name"), over.entries().get("name")
    if old is not None and new is not None and old.value != new.value:
        return base.with_value({})
    return base


def _without_other_source(base: Node, over: Node) -> Node:
    old = {key: base.entries()[key].value for key in DATA_SOURCES if key in base.entries()}
    new = {key: over.entries()[key].value for key in DATA_SOURCES if key in over.entries()}
    if not new or old == new:
        return base
    dropped = {*DATA_SOURCES, "repeat"}
    return base.with_value({k: v for k, v in base.entries().items() if k not in dropped})
