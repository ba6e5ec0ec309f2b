"""Points of a space as Optuna's parameters, and back.

Optuna takes text, numbers, booleans and null for a choice; a list is given to it as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping

import optuna

from harness.spec.distributions import Choices, Range, Value
from harness.spec.names import compact
from harness.spec.parameters import Parameter
from harness.spec.space import Space

Scalar = str | int | float | bool | None


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """The trial's point, dotted path to value: each parameter that is active in what is there."""
    point: dict[str, Value] = {}
    for parameter in space.parameters:
        if parameter.is_active(point):
            point[parameter.path] = _suggest(trial, parameter)
    return point


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Value:
    name, values = parameter.name, parameter.values
    if isinstance(values, Choices):
        encoded = [encode(choice) for choice in values.choices]
        return values.choices[encoded.index(trial.suggest_categorical(name, encoded))]
    if values.type == "int":
        step = int(values.step or 1)
        return trial.suggest_int(name, int(values.low), int(values.high), step=step, log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def to_params(space: Space, point: Mapping[str, Value]) -> dict[str, Scalar]:
    """An enqueued point as Optuna's parameters.

    Where the point leaves open which of several ranges of one path it means, it fixes the value in
    each that holds it.
    """
    params: dict[str, Scalar] = {}
    for path, value in point.items():
        for parameter in space.at(path):
            if parameter.contradicts(point) is None and parameter.values.contains(value):
                params[parameter.name] = _as_suggested(parameter, value)
    return params


def _as_suggested(parameter: Parameter, value: Value) -> Scalar:
    values = parameter.values
    if not isinstance(values, Range):
        return encode(values.choices[values.choices.index(value)])
    assert isinstance(value, int | float)
    return int(value) if values.type == "int" else float(value)


def encode(choice: Value) -> Scalar:
    """A choice as Optuna may keep it."""
    return compact(list(choice)) if isinstance(choice, tuple) else choice
