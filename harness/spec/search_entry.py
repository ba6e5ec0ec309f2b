"""An entry under `searches:` to its base run config and its search."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from pydantic import ValidationError

from harness.errors import show
from harness.spec.distributions import Value
from harness.spec.entries import Resolver
from harness.spec.evaluations import Evaluations
from harness.spec.expand import known_paths
from harness.spec.layers import RUN_KEYS, Layer, merge, point_layer
from harness.spec.names import selects_search
from harness.spec.nodes import Node
from harness.spec.problems import Entry, Problems, locate
from harness.spec.reports import misfits
from harness.spec.run_config import RunConfig
from harness.spec.search import SearchConfig
from harness.spec.space import check_paths
from harness.spec.sweep_file import Search
from harness.spec.wording import Finding, Location, unknown_name
from harness.text.corpora import CorpusInfo

SEARCH_KEYS = (*RUN_KEYS, "extends", *SearchConfig.model_fields)


@dataclasses.dataclass
class SearchReader:
    """Builds searches with what they share: the resolver, their names and those asked for."""

    resolver: Resolver
    names: Collection[str]
    only: Sequence[str]
    problems: Problems

    def read(self, name: str, node: Node) -> Search | None:
        """The search, or None after telling what is wrong with it."""
        rest = {
            key: child for key, child in node.entries().items() if key in SearchConfig.model_fields
        }
        entry = Entry(node.path, node.with_value(rest))
        try:
            config = SearchConfig.model_validate(entry.node.plain())
        except ValidationError as error:
            self.problems.validation(error, SearchConfig, entry)
            return None
        findings = [
            Finding(*found, on_key=True) for found in check_paths(config.space, known_paths())
        ]
        for location, other in config.compared_with():
            if other == name:
                findings.append(Finding(location, "compares the search with itself"))
            elif other not in self.names:
                findings.append(Finding(location, unknown_name("search", other, list(self.names))))
        for finding in findings:
            self.problems.finding(finding, entry)
        return None if findings else self._with_base(name, entry, config)

    def _with_base(self, name: str, entry: Entry, config: SearchConfig) -> Search | None:
        """The search with the run config of its first point, every other point tried too."""
        overrides = self._overrides(name, config)
        base = None
        layers = self.resolver.sections(name)
        for probe in config.probes():
            found = self._at(entry, config, layers, overrides, probe.point, probe.origins)
            base = base or found
        if base is None:
            return None

        def resolve(point: Mapping[str, Value]) -> tuple[RunConfig, CorpusInfo]:
            problems = Problems(self.problems.file, self.problems.lines)
            resolver = dataclasses.replace(self.resolver, problems=problems)
            reader = dataclasses.replace(self, resolver=resolver)
            origins = {p: ("space", *at) for p, at in config.space.origins(point).items()}
            found = reader._at(entry, config, layers, overrides, point, origins)
            problems.raise_if_any()
            assert found is not None
            return found

        description = layers.get("description", Node("")).value
        return Search(name, str(description), *base, config, resolve)

    def _at(
        self,
        entry: Entry,
        search: SearchConfig,
        layers: Layer,
        overrides: Layer,
        values: Mapping[str, Value],
        origins: Mapping[str, Location],
    ) -> tuple[RunConfig, CorpusInfo] | None:
        """The run config at a point of the space, or None after telling what is wrong."""
        point = point_layer(
            (path, _as_node(locate(entry.node, origins[path])[0], value))
            for path, value in values.items()
        )
        merged = merge(merge(layers, point), overrides)
        found = self.resolver.config(merged, entry.path, entry.node)
        wrong = list(misfits(search, Evaluations.of(found[0]))) if found is not None else []
        for finding in wrong:
            self.resolver.problems.finding(finding, entry)
        return None if wrong else found

    def _overrides(self, name: str, config: SearchConfig) -> Layer:
        """The `--set` layer of a search; empty for one that `--only` leaves out."""
        if self.only and not selects_search(self.only, name):
            return {}
        for path, node in self.resolver.overrides:
            if path in config.space.paths:
                self.problems.at(node, f"searches.{name} searches this path; change its space")
        return point_layer(o for o in self.resolver.overrides if o[0] not in config.space.paths)


def _as_node(place: Node, value: Value) -> Node:
    """A value of the space, standing where the space says it."""
    if isinstance(value, tuple):
        return place.with_value(tuple(place.with_value(item) for item in value))
    return place.with_value(value)


def entries_by_name(
    experiments: Mapping[str, Node], searches: Mapping[str, Node], problems: Problems
) -> dict[str, Node]:
    """All entries by name; a search with the name of an experiment is a mistake."""
    for name in experiments.keys() & searches.keys():
        problems.at(searches[name], f"{show(name)} is the name of an experiment already", key=True)
    return {**searches, **experiments}
