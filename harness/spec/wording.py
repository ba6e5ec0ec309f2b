"""What pydantic found wrong, in the words of a sweep file.

`explain` turns a ValidationError into (location, sentence) pairs. A sentence says what is allowed
and what was found, and for an unknown key the name that was probably meant. Our own checks raise
`PydanticCustomError("harness", ...)`; its context's key ``at`` extends the location.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from harness.errors import nearest, shorten, show
from harness.spec.foreign import translate

Location = tuple[str | int, ...]


class Finding(NamedTuple):
    """One thing that is wrong: where (keys from the root), what, and whether the key is meant."""

    location: Location
    message: str
    on_key: bool = False


_REQUIRED = "is required and set nowhere"  # for sgd, where adamw's keys do not count
_WANTED: dict[str, str] = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of at most 4,300 digits",
    "float_type": "must be a number",
    "string_type": "must be text",
    "string_unicode": "must be text without half of a surrogate pair",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "finite_number": "must be finite",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "too_short": "must hold at least {min_length} values",
    "too_long": "must hold at most {max_length} values",
    "literal_error": "must be one of {expected}",
    "string_pattern_mismatch": "must look like {pattern}",
}


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[Finding]:
    """Every finding of a ValidationError of ``model``, in pydantic's order."""
    for item in error.errors(include_url=False):
        finding = _explain_one(item, model)
        if finding.location[-1:] == ("[key]",):  # pydantic's way to say that it means a key
            finding = Finding(finding.location[:-1], finding.message, True)
        yield finding


def unknown_key(key: str, known: typing.Collection[str]) -> str:
    """The sentence for a key that nobody knows: ours for it, the nearest one, or all of them."""
    ours = translate(key, known)
    shown = shorten(repr(key))
    if ours is not None:
        return f"unknown key {shown}; here it is called {ours}"
    near = nearest(key, known)
    if near is not None:
        return f"unknown key {shown}; did you mean {near}?"
    return f"unknown key {shown}; allowed are {', '.join(known)}"


def unknown_name(what: str, name: object, known: typing.Collection[str]) -> str:
    """The sentence for a name that refers to nothing."""
    near = nearest(name, known) if isinstance(name, str) else None
    hint = f"; did you mean {near}?" if near else ""
    return f"no {what} is called {show(name)}{hint} (there are: {shorten(', '.join(known), 300)})"


def _explain_one(item: Mapping[str, Any], model: type[BaseModel]) -> Finding:
    kind, location, context = item["type"], tuple(item["loc"]), item.get("ctx", {})
    if kind == "missing" and isinstance(location[-1], int):
        return Finding(location[:-1], f"must hold more values, got {location[-1]}")
    if kind == "missing":
        of = f" for {location[1]}" if location[0] == "optimizer" and len(location) > 2 else ""
        return Finding(location, _REQUIRED + of, True)
    if kind == "extra_forbidden":
        known = fields_at(model, location[:-1])
        return Finding(location, unknown_key(str(location[-1]), known), True)
    explain_special = _SPECIAL.get(kind)
    if explain_special is not None:
        return explain_special(item, location)
    template = _WANTED.get(kind)
    if template is None:
        return Finding(location, f"{item['msg'].lower()}, got {show(item['input'])}")
    values = {key: _plain_number(value) for key, value in context.items()}
    return Finding(location, f"{template.format(**values)}, got {show(item['input'])}")


def _literal(item: Mapping[str, Any], location: Location) -> Finding:
    expected = item["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
    return Finding(location, _one_of(item["input"], expected.split(", ")))


def _tag(item: Mapping[str, Any], location: Location) -> Finding:
    key = item["ctx"]["discriminator"].strip("'")
    known = [tag.strip().strip("'") for tag in item["ctx"]["expected_tags"].split(",")]
    return Finding((*location, key), _one_of(item["ctx"]["tag"], known))


def _no_tag(item: Mapping[str, Any], location: Location) -> Finding:
    key = item["ctx"]["discriminator"].strip("'")
    return Finding((*location, key), _REQUIRED, True)


def _ours(item: Mapping[str, Any], location: Location) -> Finding:
    at = item["ctx"].get("at", ())
    more = tuple(at.split(".")) if isinstance(at, str) else tuple(at)
    return Finding((*location, *more), item["msg"], bool(item["ctx"].get("on_key")))


_SPECIAL: dict[str, Callable[[Mapping[str, Any], Location], Finding]] = {
    "literal_error": _literal,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _no_tag,
    "harness": _ours,
}


def _one_of(found: object, allowed: list[str]) -> str:
    near = nearest(found, allowed) if isinstance(found, str) else None
    hint = f"; did you mean {near}?" if near else ""
    return f"must be one of {', '.join(allowed)}, got {show(found)}{hint}"


def _plain_number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that the (nested) model at a location allows, in the order of its fields."""
    current: list[type[BaseModel]] = [model]
    for part in location:
        fields = [m.model_fields[part] for m in current if part in m.model_fields]
        if fields:
            current = [m for f in fields for m in _models(f.annotation)]
        else:
            tagged = [m for m in current if _tag_of(m) == part]
            current = tagged or current
    return list(dict.fromkeys(name for m in current for name in m.model_fields))


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in typing.get_args(annotation) for m in _models(argument)]


def _tag_of(model: type[BaseModel]) -> object:
    field = model.model_fields.get("name") or model.model_fields.get("type")
    return field.default if field is not None else None
