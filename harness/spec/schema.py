"""The JSON Schema of sweep files, from the same models that check them.

For editors: it knows keys, types and ranges, and what each means. What only the whole file can
tell (names, layers, claims against each other) stays with `harness validate`. In a file every
section may be partial, so nothing is required in one.
"""

from __future__ import annotations

import copy
from typing import Any

from pydantic.json_schema import models_json_schema

from harness.spec.expand import known_paths
from harness.spec.expectations import Expectation
from harness.spec.layers import SECTIONS
from harness.spec.run_config import RunConfig
from harness.spec.search import SearchConfig

REF = "#/$defs/{model}"


def sweep_schema() -> dict[str, Any]:
    """The schema as JSON data (draft 2020-12)."""
    _, made = models_json_schema(
        [(RunConfig, "validation"), (SearchConfig, "validation"), (Expectation, "validation")],
        ref_template=REF,
    )
    definitions = made["$defs"]
    run = definitions.pop("RunConfig")["properties"]
    search = definitions["SearchConfig"]
    sections = _sections(run, definitions)
    extends = {"type": "string", "description": "take the sections of this entry first"}
    definitions["Experiment"] = _entry({**sections, "extends": extends, **_expansion()})
    definitions["Search"] = _entry(
        {**sections, "extends": extends, **search["properties"]}, search.get("required", ())
    )
    for inner in (
        "SearchConfig",
        "Space",
        "Parameter",
        "Constraint",
    ):  # written in the file as something else
        del definitions[inner]
    definitions["Defaults"] = _entry(sections)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A sweep file of harness",
        "type": "object",
        "additionalProperties": False,
        "required": ["version", "name"],
        "anyOf": [{"required": ["experiments"]}, {"required": ["searches"]}],
        "properties": {
            "version": {"const": 1},
            "name": {"type": "string", "minLength": 1, "maxLength": 100},
            "description": {"type": "string"},
            "defaults": _nullable(_ref("Defaults")),
            "experiments": _named("Experiment"),
            "searches": _named("Search"),
        },
        "$defs": dict(sorted(definitions.items())),
    }


def _ref(model: str) -> dict[str, str]:
    return {"$ref": REF.format(model=model)}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _entry(properties: dict[str, Any], required: Any = ()) -> dict[str, Any]:
    entry = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**entry, "required": list(required)} if required else entry


def _named(model: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _nullable(_ref(model))}


def _sections(run: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The run's sections, none of whose keys is required; optimizers without a discriminator,
    which would demand the name."""
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        schema = copy.deepcopy(run[section])
        schema.pop("discriminator", None)
        schema.pop("default", None)
        if "oneOf" in schema:
            schema = {"anyOf": schema["oneOf"]}
        for option in schema.get("anyOf", [schema]):
            definitions[option["$ref"].rpartition("/")[2]].pop("required", None)
        sections[section] = _nullable(schema)
    sections["description"] = {"type": "string"}
    sections["tags"] = run["tags"]
    return sections


def _expansion() -> dict[str, Any]:
    paths = known_paths()
    lists = {"type": "array", "minItems": 1}
    swept = {
        "type": "object",
        "properties": dict.fromkeys(paths, lists),
        "additionalProperties": False,
    }
    seed = {"type": "integer", "minimum": 0}
    pair = {
        "type": "object",
        "properties": {"model": seed, "data": seed},
        "required": ["model", "data"],
        "additionalProperties": False,
    }
    return {
        "matrix": {**swept, "description": "the product of these lists"},
        "zip": {**swept, "description": "these lists in step; of one length"},
        "exclude": {"type": "array", "items": {"type": "object"}, "description": "points to drop"},
        "seeds": {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": pair}],
            "description": "how many seeds, or which",
        },
        "expect": {"type": "array", "items": _ref("Expectation"), "description": "claims"},
    }
