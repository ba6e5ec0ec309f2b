"""Every setting of a run config under its dotted path, and what kinds of value it takes.

Read off the pydantic models, so that a new key of a section or an argument of an optimizer is
known here by itself. An argument that two optimizers share has the kinds of both: Adafactor's
`eps` is a pair where the others' is a number.
"""

from __future__ import annotations

import types
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from harness.spec.optimizers import OPTIMIZERS
from harness.spec.run_config import RunConfig

Kind = Literal["int", "float", "bool", "text", "list"]

_KINDS: dict[object, Kind] = {int: "int", float: "float", bool: "bool", str: "text", tuple: "list"}


def _kinds(annotation: object) -> frozenset[Kind]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return frozenset[Kind]().union(*(_kinds(type(value)) for value in arguments))
    if origin is Annotated:
        return _kinds(arguments[0])
    if origin in (Union, types.UnionType):
        return frozenset[Kind]().union(*map(_kinds, arguments))
    kind = _KINDS.get(origin or annotation)
    return frozenset() if kind is None else frozenset({kind})


def _settings_of(section: str, model: type[BaseModel]) -> dict[str, frozenset[Kind]]:
    return {
        f"{section}.{key}": _kinds(field.annotation) for key, field in model.model_fields.items()
    }


def _settings() -> dict[str, frozenset[Kind]]:
    out: dict[str, frozenset[Kind]] = {}
    for section, field in RunConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            out.update(_settings_of(section, field.annotation))
    for optimizer in OPTIMIZERS.values():
        for path, kinds in _settings_of("optimizer", optimizer).items():
            out[path] = out.get(path, frozenset()) | kinds
    return out


SETTINGS: dict[str, frozenset[Kind]] = _settings()


def is_whole(path: str) -> bool:
    """Whether the setting at `path` takes whole numbers and no other numbers."""
    return "int" in (kinds := SETTINGS.get(path, frozenset())) and "float" not in kinds


def takes_numbers(path: str) -> bool:
    """Whether the setting at `path` takes numbers; true for an unknown path."""
    kinds = SETTINGS.get(path)
    return kinds is None or bool(kinds & {"int", "float"})
