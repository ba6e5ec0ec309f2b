from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML
from spec_files import HEAD

import harness.spec
from harness.spec.expand import known_paths
from harness.spec.expectations import Expectation
from harness.spec.experiment_entry import EXPERIMENT_KEYS
from harness.spec.optimizers import OPTIMIZERS
from harness.spec.pruners import PRUNERS
from harness.spec.run_config import RunConfig
from harness.spec.samplers import SAMPLERS
from harness.spec.schema import sweep_schema
from harness.spec.search_entry import SEARCH_KEYS

ROOT = Path(__file__).parents[2]
SWEEPS = [ROOT / "experiments.yaml", *sorted((ROOT / "examples").glob("*.yaml"))]
BAD = Path(__file__).parent / "badspecs"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(sweep_schema())


def read(text: str) -> object:
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text)))


def test_the_committed_schema_is_the_one_of_the_models():
    committed = Path(harness.spec.__file__).parent / "sweep.schema.json"
    assert json.loads(committed.read_text(encoding="utf-8")) == sweep_schema(), (
        "regenerate it: harness schema > harness/spec/sweep.schema.json"
    )


def test_it_is_a_schema_itself():
    jsonschema.Draft202012Validator.check_schema(sweep_schema())


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_it_accepts_the_sweeps_that_ship(validator, path):
    validator.validate(read(path.read_text(encoding="utf-8")))


ACCEPTED = [
    "{}",
    "null",
    "{optimizer: {lr: 1}, train: {steps: 5}, model: null}",
    "{matrix: {optimizer.lr: [0.1]}, zip: {train.steps: [1]}, exclude: [{optimizer.lr: 0.1}]}",
    "{seeds: 3}",
    "{seeds: [{model: 1, data: 2}]}",
    "{expect: [{metric: train/loss, at: {1: 5.2}, abs: 0.1}, {metric: train/loss, at: last, "
    "below: {experiment: b}}, {metric: train/loss, last: 5, by: mean, between: [0, 1]}]}",
    "{expect: [{metric: train/loss, same_as: b}, {metric: train/loss, equals: {step: 5}}]}",
    "{extends: b, description: x, tags: {a: b}, checkpoint: {every: 5}}",
    "{optimizer: {name: adafactor, eps: [null, 0.1]}}",
]


@pytest.mark.parametrize("entry", ACCEPTED)
def test_it_accepts_what_an_entry_may_say(validator, entry):
    validator.validate(read(f"{HEAD}experiments: {{a: {entry}}}"))


@pytest.mark.parametrize(
    "name",
    ["a_list", "near_key", "far_key", "foreign_key", "no_version", "no_name", "nothing",
     "names_in_a_list", "lr_text", "lr_negative", "steps_true", "steps_negative", "batch_zero",
     "optimizer_name", "swept_path", "metric", "no_trials", "direction"],
)  # fmt: skip
def test_it_refuses_mistakes_of_form(validator, name):
    text = (BAD / f"{name}.yaml").read_text(encoding="utf-8")
    assert list(validator.iter_errors(read(text)))


def test_every_key_of_every_model_is_in_it():
    schema = sweep_schema()
    definitions = schema["$defs"]
    assert set(definitions["Experiment"]["properties"]) == set(EXPERIMENT_KEYS)
    assert set(definitions["Search"]["properties"]) == set(SEARCH_KEYS)
    models = [*OPTIMIZERS.values(), *SAMPLERS.values(), *PRUNERS.values(), Expectation]
    models += [
        RunConfig.model_fields[section].annotation
        for section in ("model", "data", "train", "seed", "checkpoint")
    ]
    for model in models:
        assert set(definitions[model.__name__]["properties"]) == set(model.model_fields)
    swept = definitions["Experiment"]["properties"]["matrix"]["properties"]
    assert set(swept) == set(known_paths())


def test_every_setting_says_what_it_means():
    definitions = sweep_schema()["$defs"]
    for name, definition in definitions.items():
        for key, setting in definition.get("properties", {}).items():
            told = setting.keys() & {"description", "anyOf", "$ref", "const"}
            assert told or "." in key or key in ("tags", "description"), (name, key)


def test_every_definition_is_used():
    schema = sweep_schema()
    text = json.dumps(schema)
    assert [name for name in schema["$defs"] if f'"#/$defs/{name}"' not in text] == []
