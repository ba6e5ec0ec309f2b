"""Conditional parameters: which parameter hangs on which, and whether that can hold.

A condition names another parameter of the space that has one set of choices, and values among
them. Chains are allowed, circles are not. `resolve_conditions` returns the parameters in an order
in which each comes after all that it hangs on, so that a trial can be suggested front to back, and
gives each the conditions of the whole chain; a parameter that could never be searched, or two
ranges of one setting that could be searched at once, are mistakes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.errors import nearest, show
from harness.spec.distributions import Choices, Value, same
from harness.spec.parameters import Parameter
from harness.spec.refusals import Refusal, raise_refusals

Groups = dict[str, list[Parameter]]
Conditions = dict[str, tuple[Value, ...]]


def resolve_conditions(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The parameters in order of suggestion, with `conditions`; raises pydantic's errors."""
    groups: Groups = {}
    for parameter in parameters:
        groups.setdefault(parameter.path, []).append(parameter)
    raise_refusals("space", (refusal for p in parameters for refusal in _bad_when(p, groups)))
    resolved: Groups = {}
    for path in _ordered(groups):
        resolved[path] = [_with_chain(parameter, resolved) for parameter in groups[path]]
    out = tuple(itertools.chain(*resolved.values()))
    never = [refusal for parameter in out for refusal in _never(parameter)]
    overlaps = [refusal for group in resolved.values() for refusal in _overlaps(group)]
    raise_refusals("space", never or overlaps)
    return out


def _bad_when(parameter: Parameter, groups: Groups) -> Iterator[Refusal]:
    for path, wanted in parameter.values.when.items():
        location = parameter.location("when", path)
        for message in _bad_condition(parameter, path, wanted, groups):
            yield Refusal(location, message)


def _bad_condition(
    parameter: Parameter, path: str, wanted: tuple[Value, ...], groups: Groups
) -> Iterator[str]:
    if path == parameter.path:
        yield f"{path} cannot hang on itself"
    elif path not in groups:
        others = [known for known in groups if known != parameter.path]
        near = nearest(path, others)
        yield f"{show(path)} is not in this space" + (f"; did you mean {near}?" if near else "")
    elif len(groups[path]) > 1:
        yield f"{path} has several ranges or sets of choices; a condition needs one with choices"
    elif not isinstance(choices := groups[path][0].values, Choices):
        yield f"{path} is a range of numbers; a condition needs a parameter with choices"
    elif not wanted:
        yield f"needs a value of {path}, got an empty list"
    else:
        for value in wanted:
            if not choices.contains(value):
                yield f"must be {choices.described()}, the choices of {path}; got {show(value)}"


def _ordered(groups: Groups) -> list[str]:
    """The paths, each after those it hangs on, otherwise as in the file."""
    done: dict[str, None] = {}
    while len(done) < len(groups):
        ready = [
            path for path in groups if path not in done and _needs(groups[path]) <= done.keys()
        ]
        if not ready:
            raise_refusals("space", [_circle(groups, done.keys())])
        done.update(dict.fromkeys(ready))
    return list(done)


def _needs(group: list[Parameter]) -> set[str]:
    return {path for parameter in group for path in parameter.values.when}


def _circle(groups: Groups, done: Collection[str]) -> Refusal:
    """Follows conditions among the paths that no order satisfies, until one comes again."""
    trail = [next(path for path in groups if path not in done)]
    while trail[-1] not in trail[:-1]:
        trail.append(next(path for path in sorted(_needs(groups[trail[-1]])) if path not in done))
    circle = trail[trail.index(trail[-1]) :]
    parameter = next(p for p in groups[circle[0]] if circle[1] in p.values.when)
    message = f"the conditions run in a circle: {' -> '.join(circle)}"
    return Refusal(parameter.location("when", circle[1]), message)


def _with_chain(parameter: Parameter, resolved: Groups) -> Parameter:
    """With its own conditions and those of every parameter that they name."""
    chain: Conditions = {}
    for path, wanted in parameter.values.when.items():
        for inherited in (resolved[path][0].conditions, {path: wanted}):
            _narrow(chain, inherited)
    return dataclasses.replace(parameter, conditions=chain)


def _narrow(chain: Conditions, further: Mapping[str, tuple[Value, ...]]) -> None:
    for path, wanted in further.items():
        chain[path] = _common(chain[path], wanted) if path in chain else wanted


def _common(a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(value for value in a if any(same(value, other) for other in b))


def _never(parameter: Parameter) -> Iterator[Refusal]:
    for path, wanted in parameter.conditions.items():
        if not wanted:
            message = f"can never hold: it wants {path} to have two different values at once"
            yield Refusal(parameter.location("when"), message)


def _overlaps(group: list[Parameter]) -> Iterator[Refusal]:
    if len(group) == 1:
        return
    bare = [parameter for parameter in group if not parameter.values.when]
    for parameter in bare:
        message = f"needs a when: {parameter.path} has several ranges, each for its own condition"
        yield Refusal(parameter.location(), message)
    for first, second in itertools.combinations(group, 2):
        if not bare and not _exclusive(first, second):
            message = f"can hold together with the when of entry {_number(first)} of {first.path}"
            yield Refusal(second.location("when"), message)


def _number(parameter: Parameter) -> int:
    assert parameter.place is not None
    return parameter.place + 1


def _exclusive(a: Parameter, b: Parameter) -> bool:
    shared = a.conditions.keys() & b.conditions.keys()
    return any(not _common(a.conditions[path], b.conditions[path]) for path in shared)
