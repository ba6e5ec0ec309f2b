"""An experiment's points: matrix, zip, exclude and seeds, counted before they are built.

Each key of `matrix` is an axis, `zip` is one axis whose keys go in step, `seeds` is the last. The
points are their product in file order, the first axis slowest, less those that `exclude` names.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import shorten, show
from harness.spec.foreign import translate
from harness.spec.layers import SECTIONS
from harness.spec.names import compact
from harness.spec.nodes import Node
from harness.spec.optimizers import OPTIMIZERS
from harness.spec.problems import Problems
from harness.spec.run_config import RunConfig
from harness.spec.wording import unknown_key

Setting = tuple[str, Node]
Axis = tuple[tuple[Setting, ...], ...]

_SEED_PATHS = ("seed.model", "seed.data")


@dataclasses.dataclass(frozen=True)
class Point:
    """One combination: its settings by dotted path, and its place among the seeds.

    ``seed_values`` holds what a list of seeds says; it is empty where `seeds` is a number, which
    is added to both seeds.
    """

    settings: tuple[Setting, ...] = ()
    seed_index: int | None = None
    seed_values: tuple[Setting, ...] = ()

    def swept(self) -> tuple[tuple[str, str], ...]:
        """The settings as (dotted path, compact JSON), the seeds left out."""
        return tuple((path, compact(node.plain())) for path, node in self.settings)


@dataclasses.dataclass(frozen=True)
class Expansion:
    """An entry's axes, checked; ``count`` is their product, before `exclude`."""

    axes: tuple[Axis, ...] = ()
    excluded: tuple[Node, ...] = ()
    num_seeds: int | None = None
    seed_values: tuple[tuple[Setting, ...], ...] = ()

    @property
    def count(self) -> int:
        """How many points there are, by multiplication."""
        return math.prod(len(axis) for axis in self.axes) * (self.num_seeds or 1)

    @property
    def paths(self) -> frozenset[str]:
        """The dotted paths that are swept, both seeds among them where there are `seeds`."""
        seeds = _SEED_PATHS if self.num_seeds is not None else ()
        return frozenset([p for axis in self.axes for p, _ in axis[0]] + list(seeds))


def known_paths() -> list[str]:
    """Every dotted path of a run config that may be swept or set."""
    paths = []
    for section in SECTIONS:
        if section == "optimizer":
            keys = dict.fromkeys(
                ["name", *(k for m in OPTIMIZERS.values() for k in m.model_fields)]
            )
        else:
            annotation: Any = RunConfig.model_fields[section].annotation
            keys = dict.fromkeys(annotation.model_fields)
        paths += [f"{section}.{key}" for key in keys]
    return paths


def home_of(key: str) -> str | None:
    """The dotted path of a setting that is written without its section, or None.

    >>> home_of("lr"), home_of("learning_rate"), home_of("zebra")
    ('optimizer.lr', 'optimizer.lr', None)
    """
    homes = {path.partition(".")[2]: path for path in reversed(known_paths())}
    return homes.get(key) or homes.get(translate(key, homes) or "")


def check_path(path: str, node: Node, problems: Problems) -> bool:
    """Whether a dotted path exists; tells the problem where not."""
    known = known_paths()
    if path in known:
        return True
    section, _, key = path.partition(".")
    keys = [p.partition(".")[2] for p in known if p.startswith(f"{section}.")]
    if section in SECTIONS and not key:
        message = f"{section} is a section; name one of its keys, such as {section}.{keys[0]}"
    elif section in SECTIONS:
        message = unknown_key(key, keys) + f" (in {section})"
    else:
        home = home_of(path)
        if home is not None:
            message = f"unknown path {show(path)}; did you mean {home}?"
        else:
            message = unknown_key(path, known if "." in path else SECTIONS)
    problems.at(node, message, key=True)
    return False


def read_expansion(entry: Node, problems: Problems) -> Expansion:
    """The axes of an experiment; what is wrong with them goes to ``problems``."""
    axes: list[Axis] = []
    seen: dict[str, str] = {}
    for key, node in entry.entries().items():
        if key in ("matrix", "zip") and node.value is not None:
            lists = _lists(key, node, seen, problems)
            axes += _product(lists) if key == "matrix" else _in_step(node, lists, problems)
    num_seeds, seed_values = _seeds(entry, seen, problems)
    expansion = Expansion(tuple(axes), (), num_seeds, seed_values)
    return dataclasses.replace(expansion, excluded=_excluded(entry, expansion, problems))


def _lists(
    kind: str, node: Node, seen: dict[str, str], problems: Problems
) -> list[tuple[str, tuple[Node, ...]]]:
    if not node.is_mapping:
        problems.at(node, f"must be a mapping of dotted paths to lists, got {show(node.plain())}")
        return []
    lists = []
    for path, values in node.entries().items():
        if not check_path(path, values, problems):
            continue
        if path in seen:
            problems.at(values, f"{path} is swept by {seen[path]} already", key=True)
        elif not isinstance(values.value, tuple) or not values.value:
            problems.at(values, f"must be a list of values, got {show(values.plain())}")
        else:
            seen[path] = kind
            lists.append((path, values.items()))
    return lists


def _product(lists: Sequence[tuple[str, tuple[Node, ...]]]) -> list[Axis]:
    return [tuple(((path, value),) for value in values) for path, values in lists]


def _in_step(
    node: Node, lists: Sequence[tuple[str, tuple[Node, ...]]], problems: Problems
) -> list[Axis]:
    lengths = {path: len(values) for path, values in lists}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{path} {n}" for path, n in lengths.items())
        problems.at(node, f"the lists of a zip must be of one length, got {found}", key=True)
        return []
    if not lists:
        return []
    columns = zip(*(values for _, values in lists), strict=True)
    names = [path for path, _ in lists]
    return [tuple(tuple(zip(names, column, strict=True)) for column in columns)]


def _seeds(
    entry: Node, seen: Mapping[str, str], problems: Problems
) -> tuple[int | None, tuple[tuple[Setting, ...], ...]]:
    node = entry.entries().get("seeds")
    if node is None or node.value is None:
        return None, ()
    swept = [path for path in _SEED_PATHS if path in seen]
    if swept:
        problems.at(node, f"seeds set {swept[0]}, which {seen[swept[0]]} sweeps too", key=True)
    count = node.value
    if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
        return count, ()
    rows = node.items()
    if rows and all(set(row.entries()) == {"model", "data"} for row in rows):
        _tell_repeated(rows, problems)
        values = (((f"seed.{k}", v) for k, v in row.entries().items()) for row in rows)
        return len(rows), tuple(tuple(row) for row in values)
    wanted = "must be a number of seeds, at least 1, or a list of {model: N, data: N}"
    problems.at(node, f"{wanted}, got {show(node.plain())}")
    return None, ()


def _tell_repeated(rows: Sequence[Node], problems: Problems) -> None:
    seen: dict[str, int] = {}
    for i, row in enumerate(rows):
        first = seen.setdefault(json.dumps(row.plain(), sort_keys=True), i)
        if first < i:
            problems.at(row, f"is seeds[{first}] again: two runs would be one")


def _excluded(entry: Node, expansion: Expansion, problems: Problems) -> tuple[Node, ...]:
    node = entry.entries().get("exclude")
    if node is None or node.value is None:
        return ()
    if not node.items() or not all(point.entries() for point in node.items()):
        message = "must be a list of points, each a mapping of swept paths to values"
        problems.at(node, f"{message}, got {show(node.plain())}")
        return ()
    values = {
        path: [
            compact(v.plain()) for axis in expansion.axes for s in axis for p, v in s if p == path
        ]
        for path in expansion.paths
    }
    for point in node.items():
        for path, value in point.entries().items():
            if path not in values or (path in _SEED_PATHS and not values[path]):
                swept = ", ".join(sorted(p for p in values if values[p])) or "nothing"
                problems.at(value, f"{shorten(path)} is not swept here (swept: {swept})", key=True)
            elif compact(value.plain()) not in values[path]:
                problems.at(value, f"{show(value.plain())} is not a value of {path} here")
    return node.items()


def points(expansion: Expansion) -> list[Point]:
    """Every point that `exclude` does not name, in file order, seeds fastest."""
    excluded = [
        {path: compact(value.plain()) for path, value in node.entries().items()}
        for node in expansion.excluded
    ]
    out = []
    for combination in itertools.product(*expansion.axes):
        settings = tuple(setting for step in combination for setting in step)
        if excluded and _is_excluded(settings, excluded):
            continue
        if expansion.num_seeds is None:
            out.append(Point(settings))
        for i in range(expansion.num_seeds or 0):
            given = expansion.seed_values[i] if expansion.seed_values else ()
            out.append(Point(settings, i, given))
    return out


def _is_excluded(settings: Sequence[Setting], excluded: Sequence[Mapping[str, str]]) -> bool:
    values = {path: compact(node.plain()) for path, node in settings}
    return any(
        all(values.get(path) == value for path, value in point.items()) for point in excluded
    )


def group_name(experiment: str, point: Point) -> str:
    """The name of a point without its seed: `experiment` or `experiment/lr=0.01,...`."""
    last = Counter(path.rpartition(".")[2] for path, _ in point.settings)
    parts = []
    for path, value in point.swept():
        key = path.rpartition(".")[2]
        shown = value.replace("/", "_")
        parts.append(f"{key if last[key] == 1 else path}={shown}")
    return f"{experiment}/{','.join(parts)}" if parts else experiment


def run_name(experiment: str, point: Point) -> str:
    """A run's name: its group's, and `seed=i` last where there are seeds."""
    group = group_name(experiment, point)
    if point.seed_index is None:
        return group
    return f"{group}{',' if point.settings else '/'}seed={point.seed_index}"
