from __future__ import annotations

import subprocess
import sys

import jsonschema
import pytest
from pydantic import ValidationError

from harness.spec.constraints import Constraint
from harness.spec.metrics import METRICS
from harness.spec.pruners import NoPruner
from harness.spec.samplers import SAMPLERS, TPE
from harness.spec.search import Reduce, SearchConfig

LR = {"low": 1e-4, "high": 1.0, "log": True}
SMALLEST = {"metric": "train/loss", "space": {"optimizer.lr": LR}, "n_trials": 4}
MOMENTUM = {"low": 0, "high": 0.9, "step": 0.1, "when": {"optimizer.name": "sgd"}}
OPTIMIZERS = {
    "optimizer.name": {"choices": ("adamw", "sgd")},
    "optimizer.lr": (
        {"low": 1e-4, "high": 0.2, "log": True, "when": {"optimizer.name": "adamw"}},
        {"low": 1e-2, "high": 1.0, "log": True, "when": {"optimizer.name": "sgd"}},
    ),
    "optimizer.momentum": MOMENTUM,
    "model.num_layers": {"low": 1, "high": 4},
}
TWO = {"metric": ("train/loss", "eval/next_token_accuracy")}


def search(**changes):
    return SearchConfig.model_validate({**SMALLEST, **changes})


def test_what_is_not_said_has_the_documented_default():
    found = search()
    assert found.metric == ("train/loss",)
    assert found.direction == ("minimize",)
    assert found.reduce == Reduce(last=1, by="mean")
    assert found.sampler == TPE(seed=0)
    assert found.pruner == NoPruner()
    assert (found.timeout_s, found.parallel, found.report_every) == (None, 1, 10)
    assert (found.unpruned_trials, found.storage) == (5, None)
    assert found.enqueue == found.constraints == found.expect == ()


def test_the_search_of_the_contract_is_read():
    found = search(
        reduce={"last": 20, "by": "mean"},
        direction="minimize",
        sampler={"name": "tpe", "seed": 0},
        pruner={"name": "successive_halving", "min_resource": 25, "reduction_factor": 3},
        n_trials=64,
        parallel=16,
        enqueue=({"optimizer.lr": 1e-2},),
        constraints=("params <= 5000",),
        storage="sqlite:///mlruns/other.db",
        timeout_s=60,
        expect=(
            {"best": "optimizer.lr", "between": (0.05, 0.2)},
            {"best": "value", "below": 0.01},
            {"better_than": {"search": "sgd-lr"}},
        ),
    )
    assert found.pruner.min_resource == 25
    assert found.constraints == (Constraint("params", "<=", 5000),)
    assert [claim.text for claim in found.expect][1:] == [
        "best value below 0.01",
        "best value better than that of sgd-lr",
    ]
    assert found.compared_with() == ((("expect", 2, "better_than", "search"), "sgd-lr"),)


def test_a_search_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        search().n_trials = 3


@pytest.mark.parametrize(
    ("changes", "match", "at"),
    [
        ({"n_trials": 0}, "greater than or equal to 1", ("n_trials",)),
        ({"n_trials": 100_001}, "less than or equal to 100000", ("n_trials",)),
        ({"n_trials": 4.0}, "valid integer", ("n_trials",)),
        ({"timeout_s": 0}, "greater than 0", ("timeout_s",)),
        ({"parallel": 0}, "greater than or equal to 1", ("parallel",)),
        ({"report_every": 0}, "greater than or equal to 1", ("report_every",)),
        ({"unpruned_trials": -1}, "greater than or equal to 0", ("unpruned_trials",)),
        ({"storage": " "}, "must be an SQLAlchemy URL .* got ' '", ("storage",)),
        ({"constraints": ("params <= 5", "size < 3")}, "no quantity is called", ("constraints", 1)),
        ({"reduce": {"last": 0}}, "greater than or equal to 1", ("reduce", "last")),
        ({"reduce": {"by": "sum"}}, "'mean', 'median', 'min' or 'max'", ("reduce", "by")),
        ({"reduce": {"first": 3}}, "not permitted", ("reduce", "first")),
        ({"num_samples": 3}, "not permitted", ("num_samples",)),
        ({"space": {}}, "at least one parameter", ("space",)),
        ({"space": (1,)}, "valid dictionary", ("space",)),
        (
            {"space": {"optimizer.lr": {**LR, "high": 1e-5}}},
            r"high \(1e-05\) must be greater than low \(0\.0001\)",
            ("space", "optimizer.lr", "high"),
        ),
        ({"sampler": {"name": "bayes"}}, "expected tags: 'random', 'tpe'", ("sampler",)),
        ({"pruner": {"name": "asha"}}, "expected tags: 'none', 'median'", ("pruner",)),
    ],
)
def test_a_bad_value_is_refused_at_its_key(refused, changes, match, at):
    refused(lambda: search(**changes), match, at)


@pytest.mark.parametrize("missing", SMALLEST)
def test_what_is_required_is_asked_for(refused, missing):
    rest = {key: value for key, value in SMALLEST.items() if key != missing}
    refused(lambda: SearchConfig.model_validate(rest), "Field required", (missing,))


# metrics and directions


@pytest.mark.parametrize(
    ("metric", "match", "at"),
    [
        ("train/los", r"'train/los'; did you mean train/loss\? \(there are: train/loss, va", ()),
        (("train/loss", "accuracy"), "no metric is called 'accuracy'", (1,)),
        (("train/loss", "train/loss"), "train/loss is there already", (1,)),
        ((), "at least 1 item", ()),
        (3, "valid string", ()),
    ],
)
def test_an_unknown_metric_is_refused_with_the_nearest_one(refused, metric, match, at):
    refused(lambda: search(metric=metric), match, ("metric", *at))


@pytest.mark.parametrize(
    ("changes", "match", "at"),
    [
        ({"direction": "minimise"}, "must be minimize or maximize, got 'minimise'", ()),
        ({**TWO, "direction": ("minimize", "up")}, "must be minimize or maximize, got 'up'", (1,)),
        (
            {**TWO, "direction": "minimize"},
            "as many as the metrics: 2 of them, got 1 direction",
            (),
        ),
        ({"direction": ("minimize", "maximize")}, "1 of them, got 2 directions", ()),
        ({"direction": None}, "got null", ()),
    ],
)
def test_a_direction_is_minimize_or_maximize_for_each_metric(refused, changes, match, at):
    refused(lambda: search(**changes), match, ("direction", *at))


def test_several_metrics_are_minimized_unless_said_otherwise():
    assert search(**TWO).direction == ("minimize", "minimize")
    assert search(**TWO, direction=("minimize", "maximize")).direction[1] == "maximize"


def test_only_what_has_a_curve_is_reduced(refused):
    match = "train/perplexity: recorded at the last step only; nothing to reduce"
    refused(lambda: search(metric="train/perplexity", reduce={"last": 5}), match, ("reduce",))
    assert search(**TWO, reduce={"last": 5}).reduce.last == 5
    assert search(metric="val/loss", reduce={"last": 5}).reduce.last == 5


@pytest.mark.parametrize(
    ("metric", "match"),
    [
        (TWO["metric"], r"must be none with several metrics \(here 2\), got median"),
        ("train/perplexity", "must be none: train/perplexity is recorded at the last step only"),
    ],
)
def test_a_pruner_needs_one_metric_that_has_a_curve(refused, metric, match):
    refused(lambda: search(metric=metric, pruner={"name": "median"}), match, ("pruner", "name"))
    assert search(metric=metric, pruner={"name": "none"}).pruner == NoPruner()


@pytest.mark.parametrize(
    ("claim", "key"),
    [({"best": "value", "below": 1}, "best"), ({"better_than": {"search": "a"}}, "better_than")],
)
def test_with_several_metrics_there_is_no_best_to_claim(refused, claim, key):
    match = "needs one metric: with 2 there is a front and no best trial"
    refused(lambda: search(**TWO, expect=(claim,)), match, ("expect", 0, key))


def test_a_claim_on_a_setting_outside_the_space_is_refused(refused):
    claims = ({"best": "value", "below": 1}, {"best": "optimizer.lt", "below": 1})
    match = "did you mean optimizer.lr"
    refused(lambda: search(expect=claims), match, ("expect", 1, "best"))


# enqueued points


@pytest.mark.parametrize(
    ("point", "match", "at"),
    [
        (
            {"optimizer.lt": 1},
            "no parameter of this space is called .* optimizer.lr",
            "optimizer.lt",
        ),
        (
            {"optimizer.name": "sgd", "optimizer.lr": 2},
            r"must be between 0\.01 and 1\.0, got 2",
            "optimizer.lr",
        ),
        (
            {"optimizer.lr": 2},
            r"0\.0001 and 0\.2, or between 0\.01 and 1\.0, got 2",
            "optimizer.lr",
        ),
        ({"optimizer.name": "adam"}, "must be one of 'adamw', 'sgd', got 'adam'", "optimizer.name"),
        (
            {"optimizer.name": "adamw", "optimizer.momentum": 0.5},
            r"is searched only when optimizer.name is sgd \(here 'adamw'\)",
            "optimizer.momentum",
        ),
        (
            {"optimizer.momentum": 0.55},
            r"0 and 0\.9 in steps of 0\.1, got 0\.55",
            "optimizer.momentum",
        ),
        ({"model.num_layers": 1.5}, "a whole number between 1 and 4, got 1.5", "model.num_layers"),
        ({"model.num_layers": True}, "between 1 and 4, got true", "model.num_layers"),
        ({"model.num_layers": "2"}, "between 1 and 4, got '2'", "model.num_layers"),
        ({"model.num_layers": {}}, "must be text, a number", "model.num_layers"),
    ],
)
def test_an_enqueued_value_outside_the_space_is_refused(refused, point, match, at):
    read = lambda: search(space=OPTIMIZERS, enqueue=({"model.num_layers": 1}, point))  # noqa: E731
    refused(read, match, ("enqueue", 1, at))


def test_an_empty_enqueued_point_is_refused(refused):
    refused(lambda: search(enqueue=({},)), "must set at least one parameter", ("enqueue", 0))


def test_more_points_than_anyone_writes_are_refused(refused):
    points = ({"optimizer.lr": 0.5},) * 1001
    refused(lambda: search(enqueue=points), "at most 1000 items", ("enqueue",))


def test_points_of_the_space_are_enqueued_as_written():
    points = (
        {"optimizer.name": "sgd", "optimizer.lr": 1, "optimizer.momentum": 0.3},
        {"optimizer.lr": 0.5},
    )
    assert search(space=OPTIMIZERS, enqueue=points).enqueue == points


def test_enqueued_points_are_probed_whole():
    found = search(space=OPTIMIZERS, enqueue=({"optimizer.name": "sgd", "optimizer.lr": 0.5},))
    *rest, last = found.probes()
    assert last.location == ("enqueue", 0)
    assert last.point == {
        "optimizer.name": "sgd",
        "optimizer.lr": 0.5,
        "optimizer.momentum": 0,
        "model.num_layers": 1,
    }
    assert last.origins == {
        "optimizer.name": ("enqueue", 0, "optimizer.name"),
        "optimizer.lr": ("enqueue", 0, "optimizer.lr"),
        "optimizer.momentum": ("space", "optimizer.momentum", "low"),
        "model.num_layers": ("space", "model.num_layers", "low"),
    }
    assert rest[0].origins["optimizer.name"] == ("space", "optimizer.name", "choices", 0)
    assert rest[0].location == ("space", "optimizer.name", "choices", 0)


# samplers and the space


def test_a_grid_says_what_it_lacks_and_for_which_parameter():
    with pytest.raises(ValidationError) as caught:
        search(space=OPTIMIZERS, sampler={"name": "grid"})
    message = "optimizer.lr needs points (how many values), or choices, for the grid sampler"
    assert [(error["loc"], error["msg"]) for error in caught.value.errors()] == [
        (("space", "optimizer.lr", 0), message),
        (("space", "optimizer.lr", 1), message),
    ]


def test_a_grid_over_real_numbers_needs_steps_or_points(refused):
    at = ("space", "optimizer.lr")
    bare = {"optimizer.lr": {"low": 0.1, "high": 0.5}}
    match = "optimizer.lr needs step or points, or choices"
    refused(lambda: search(space=bare, sampler={"name": "grid"}), match, at)


def test_a_grid_takes_steps_points_choices_and_whole_numbers():
    space = {
        "optimizer.lr": {**LR, "points": 5},
        "optimizer.momentum": {"low": 0, "high": 0.9, "step": 0.3},
        "optimizer.nesterov": {"choices": (True, False)},
        "model.num_layers": {"low": 1, "high": 4},
    }
    assert search(space=space, sampler={"name": "grid"}).sampler.seed == 0


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("grid", "cmaes")])
def test_points_are_for_the_grid_alone(refused, name):
    space = {"optimizer.lr": {**LR, "points": 5}}
    at = ("space", "optimizer.lr", "points")
    match = f"is for the grid sampler; this search uses {name}"
    refused(lambda: search(space=space, sampler={"name": name}), match, at)


def test_cmaes_needs_two_ranges_without_a_condition(refused):
    at = ("sampler", "name")
    match = "two or more ranges of numbers .* this space has 1: use tpe or gp"
    refused(lambda: search(sampler={"name": "cmaes"}), match, at)
    refused(lambda: search(space=OPTIMIZERS, sampler={"name": "cmaes"}), match, at)
    two = {"optimizer.lr": LR, "optimizer.weight_decay": {"low": 0, "high": 1}}
    assert search(space=two, sampler={"name": "cmaes"}).sampler.name == "cmaes"


def test_cmaes_takes_one_metric(refused):
    two = {"optimizer.lr": LR, "optimizer.weight_decay": {"low": 0, "high": 1}}
    read = lambda: search(**TWO, space=two, sampler={"name": "cmaes"})  # noqa: E731
    refused(read, "cmaes takes one metric", ("sampler", "name"))


# the schema and the imports


def test_every_key_is_described_in_the_schema():
    schema = SearchConfig.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    models = [schema, *schema["$defs"].values()]
    undescribed = [
        (model["title"], key)
        for model in models
        for key, entry in model.get("properties", {}).items()
        if "description" not in entry and key != "name"
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"space": {"optimizer.lr": [{"low": 0, "high": 1, "when": {"a": [1, "b"]}}]}}, True),
        ({"space": {"optimizer.lr": {"choices": [1, [0.9, 0.95], None]}}}, True),
        ({"expect": [{"better_than": {"search": "a"}}]}, True),
        ({"metric": ["train/loss"], "direction": ["minimize"]}, True),
        ({"metric": "loss"}, False),
        ({"space": {"optimizer.lr": {"low": "a", "high": 1}}}, False),
        ({"direction": "up"}, False),
        ({"constraints": [3]}, False),
    ],
)
def test_the_schema_tells_editors_what_is_allowed(changes, valid):
    validator = jsonschema.Draft202012Validator(SearchConfig.model_json_schema())
    assert validator.is_valid({**SMALLEST, **changes}) == valid


def test_the_names_in_the_schema_are_the_metrics_that_are_recorded():
    schema = SearchConfig.model_json_schema()["properties"]["metric"]
    assert schema["anyOf"][0]["enum"] == list(METRICS)


def test_declaring_a_search_imports_no_heavy_library():
    heavy = {"torch", "optuna", "mlflow", "numpy", "pandas", "scipy"}
    code = f"import sys, harness.spec.search; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
