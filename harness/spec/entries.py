"""One entry of a sweep file to checked run configs: layers, expansion, validation, corpus.

`Resolver` holds what all entries share (defaults, `--set`, the corpora scanned so far) and turns
an experiment into its runs and a search into its base run config.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

from pydantic import ValidationError

from harness.errors import CorpusError, show
from harness.spec.evaluations import Evaluations
from harness.spec.expand import Expansion, Point, group_name, points, run_name
from harness.spec.layers import Layer, merge, point_layer, run_layer
from harness.spec.nodes import Node
from harness.spec.problems import Entry, Problems, locate
from harness.spec.run_config import DataConfig, RunConfig, SeedConfig
from harness.spec.stacking import unsupported
from harness.spec.sweep_file import DeclaredRun
from harness.spec.wording import Finding, unknown_name
from harness.text.corpora import CorpusInfo, scan
from harness.text.sources import Source


@dataclasses.dataclass
class Resolver:
    """Turns entries into run configs; mistakes go to ``problems``.

    ``entries`` are all experiments and searches by name (for `extends`), ``base_dir`` is the
    folder that `data.file` is relative to.
    """

    defaults: Layer
    entries: Mapping[str, Node]
    overrides: Sequence[tuple[str, Node]]
    base_dir: Path
    problems: Problems
    file_evaluations: dict[str, Evaluations] = dataclasses.field(default_factory=dict)
    """By run name, how many steps and which evaluations the file says, before `--set`."""
    _corpora: dict[tuple[Source, str, int], CorpusInfo | str] = dataclasses.field(
        default_factory=dict
    )

    def sections(self, name: str) -> dict[str, Node]:
        """An entry's layers up to its own: defaults, what it extends, its own sections."""
        merged = dict(self.defaults)
        for node in self._chain(name):
            merged = merge(merged, run_layer(node))
        return merged

    def _chain(self, name: str) -> list[Node]:
        """The entry and what it extends, the furthest first; tells unknown names and loops."""
        chain: list[Node] = []
        seen = {name}
        node = self.entries[name]
        while True:
            chain.append(node)
            extends = node.entries().get("extends")
            if extends is None or extends.value is None:
                break
            parent = extends.value
            if not isinstance(parent, str):
                shown = show(extends.plain())
                self.problems.at(extends, f"must be the name of an entry, got {shown}")
                break
            if parent not in self.entries:
                self.problems.at(extends, unknown_name("entry", parent, list(self.entries)))
                break
            if parent in seen:
                self.problems.at(extends, f"extends goes round in a circle through {parent}")
                break
            seen.add(parent)
            node = self.entries[parent]
        return chain[::-1]

    def runs(
        self, name: str, path: str, expansion: Expansion, overrides: Layer
    ) -> Iterator[DeclaredRun]:
        """The valid runs of an experiment, in the order of its points."""
        base, place = self.sections(name), self.entries[name]
        for point in points(expansion):
            layers = merge(base, point_layer(point.settings))
            layers = merge(layers, _seed_layer(layers, point))
            resolved = self.config(merge(layers, overrides), path, place)
            if resolved is not None:
                config, corpus = resolved
                self.file_evaluations[run_name(name, point)] = _evaluations_of(layers, config)
                yield DeclaredRun(
                    name=run_name(name, point),
                    experiment=name,
                    group=group_name(name, point),
                    point=point.swept(),
                    seed_index=point.seed_index,
                    config=config,
                    corpus=corpus,
                )

    def config(self, layers: Layer, path: str, place: Node) -> tuple[RunConfig, CorpusInfo] | None:
        """The run config of merged layers with its corpus, or None after telling what is wrong."""
        root = Node(dict(layers), place.line, place.column, path, place.key_line, place.key_column)
        entry = Entry(path, root)
        try:
            config = RunConfig.model_validate(root.plain())
        except ValidationError as error:
            self.problems.validation(error, RunConfig, entry)
            return None
        refused = _refused_by_engine(config)
        if refused is not None:
            self.problems.finding(refused, entry)
            return None
        corpus = self._corpus(config.data)
        if isinstance(corpus, str):
            self.problems.finding(Finding(("data", config.data.source), corpus), entry)
            return None
        misfit = _misfit(config, corpus)
        if misfit is not None:
            self.problems.finding(misfit, entry)
            return None
        return self._sized(config, corpus, entry)

    def _sized(
        self, config: RunConfig, corpus: CorpusInfo, entry: Entry
    ) -> tuple[RunConfig, CorpusInfo] | None:
        """The config with its vocabulary's size filled in."""
        needed, given = corpus.tokenizer.vocab_size, config.model.vocab_size
        if given is not None and given < needed:
            message = f"must be at least the tokenizer's {needed:,}, got {given:,}"
            self.problems.finding(Finding(("model", "vocab_size"), message), entry)
            return None
        try:
            return config.with_vocab_size(needed), corpus
        except ValidationError as error:
            model = Entry(f"{entry.path}.model", locate(entry.node, ("model",))[0])
            self.problems.validation(error, type(config.model), model)
            return None

    def _corpus(self, data: DataConfig) -> CorpusInfo | str:
        key = (self.source(data), data.tokenizer, data.repeat)
        if key not in self._corpora:
            try:
                self._corpora[key] = scan(*key)
            except CorpusError as error:
                self._corpora[key] = str(error)
        return self._corpora[key]

    def source(self, data: DataConfig) -> Source:
        """Where a run's text comes from, files as absolute paths."""
        value = str(getattr(data, data.source))
        if data.source == "file":
            with contextlib.suppress(
                ValueError, RuntimeError
            ):  # NUL; links in a circle: told later
                value = str((self.base_dir / value).resolve())
        return Source(data.source, value)  # type: ignore[arg-type]


def _seed_layer(layers: Layer, point: Point) -> Layer:
    """The seeds of a point: the listed ones, or its index added to both."""
    if point.seed_index is None or point.seed_values:
        return point_layer(point.seed_values)
    defaults = SeedConfig().model_dump()
    given = layers["seed"].entries() if "seed" in layers else {}
    shifted = []
    for key, default in defaults.items():
        node = given.get(key, Node(default, path=f"seed.{key}"))
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            node = node.with_value(node.value + point.seed_index)
        shifted.append((f"seed.{key}", node))
    return point_layer(shifted)


def _evaluations_of(layers: Layer, config: RunConfig) -> Evaluations:
    """The steps and evaluations that layers without `--set` say; ``config`` has all layers.

    What they say amiss, which only `--set` can have put right, counts as what ``config`` says.
    """
    said = {
        f"{section}.{key}": node.value
        for section in ("data", "train")
        if section in layers
        for key, node in layers[section].entries().items()
    }
    steps, every = said.get("train.steps"), said.get("train.eval_every")
    holdout = said.get("data.holdout", 0.0)
    return Evaluations(
        steps=steps if _is_count(steps) else config.train.steps,
        every=every if every is None or _is_count(every) else config.train.eval_every,
        holds_out=isinstance(holdout, int | float) and holdout > 0,
    )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _refused_by_engine(config: RunConfig) -> Finding | None:
    setting = unsupported(config) if config.train.engine == "stacked" else None
    if setting is None:
        return None
    message = f"the stacked engine does not train {setting}; say train.engine: plain"
    return Finding(tuple(setting.partition(":")[0].split(".")), message)


def _misfit(config: RunConfig, corpus: CorpusInfo) -> Finding | None:
    """Too few tokens for a window, in all or in one of the parts that `data.holdout` makes."""
    data, seq_len = config.data, config.train.seq_len
    needed = f"train.seq_len {seq_len:,} needs at least {seq_len + 2:,} (seq_len + 2)"
    has = f"{corpus.num_tokens:,} tokens (with repeat {corpus.repeat:,})"
    if corpus.num_tokens < seq_len + 2:
        return Finding(("data", data.source), f"has {has}; {needed}")
    num_held_out = data.num_held_out(corpus.num_tokens)
    num_training = corpus.num_tokens - num_held_out
    if data.holdout and min(num_held_out, num_training) < seq_len + 2:
        few = f"holds out {num_held_out:,} of {has} and trains on {num_training:,}"
        return Finding(("data", "holdout"), f"{few}; of both {needed}")
    return None
