from __future__ import annotations

import time

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.spec.distributions import MAX_CHOICES, Choices, Range
from harness.spec.parameters import MAX_PARAMETERS
from harness.spec.refusals import Refusal, raise_refusals
from harness.spec.space import check_paths, parse_space

LR = {"low": 1e-4, "high": 1.0, "log": True}
OPTIMIZERS = {"choices": ("adamw", "sgd", "adam")}
LR_OF_EACH = {
    "optimizer.lr": (
        {"low": 1e-4, "high": 0.2, "log": True, "when": {"optimizer.name": ("adamw", "adam")}},
        {"low": 1e-2, "high": 1.0, "log": True, "when": {"optimizer.name": "sgd"}},
    ),
    "optimizer.name": OPTIMIZERS,
}
MOMENTUM = {"low": 0.0, "high": 0.9, "when": {"optimizer.name": "sgd"}}


def space_with(**entry):
    return parse_space({"optimizer.lr": entry})


# ranges


def test_a_range_of_numbers_is_read_as_written():
    (lr,) = parse_space({"optimizer.lr": LR}).parameters
    assert lr.path == lr.name == "optimizer.lr"
    assert lr.values == Range(low=1e-4, high=1.0, log=True, type="float")


def test_a_range_is_whole_where_the_setting_is_or_where_it_says_so():
    entries = {
        "model.num_layers": {"low": 1, "high": 8},
        "optimizer.lr": {"low": 1, "high": 8},
        "optimizer.momentum": {"low": 0, "high": 1, "type": "int"},
        "model.vocab_size": {"low": 5, "high": 9},  # a whole number or null
    }
    types = {p.path: p.values.type for p in parse_space(entries).parameters}
    assert types == {
        "model.num_layers": "int",
        "optimizer.lr": "float",
        "optimizer.momentum": "int",
        "model.vocab_size": "int",
    }


def test_whole_numbers_stay_whole():
    (layers,) = parse_space({"model.num_layers": {"low": 1, "high": 8, "step": 1}}).parameters
    assert [type(n) for n in (layers.values.low, layers.values.high, layers.values.step)] == [
        int
    ] * 3


@pytest.mark.parametrize(
    ("entry", "match", "key"),
    [
        ({"low": 1.0, "high": 1e-4}, r"high \(0\.0001\) must be greater than low \(1\.0\)", "high"),
        ({"low": 1, "high": 1}, r"high \(1\) must be greater than low \(1\)", "high"),
        (
            {"low": 0, "high": 1, "log": True},
            "must be greater than 0 with log: true, got 0",
            "low",
        ),
        (
            {"low": 1, "high": 2, "log": True, "step": 0.1},
            "cannot be combined with log: true",
            "step",
        ),
        ({"low": 0, "high": 1, "step": 0}, "greater than 0", "step"),
        ({"low": 0, "high": 1, "step": -1}, "greater than 0", "step"),
        (
            {"low": 0.1, "high": 0.3, "step": 0.25},
            r"at most high - low \(0\.2\), got 0\.25",
            "step",
        ),
        ({"low": 0, "high": 1, "step": 0.5, "points": 3}, "cannot be combined with step", "points"),
        ({"low": 0, "high": 1, "points": 1}, "greater than or equal to 2", "points"),
        ({"low": 0.5, "high": 2, "type": "int"}, "a whole number .* got 0.5", "low"),
        ({"low": 1, "high": 2.5, "type": "int"}, "a whole number .* got 2.5", "high"),
        ({"low": 1, "high": 3, "step": 1.5, "type": "int"}, "a whole number .* got 1.5", "step"),
        ({"low": 1, "high": 3, "points": 3, "type": "int"}, "use step for whole", "points"),
        ({"low": 1}, "Field required", "high"),
        ({"low": True, "high": 2}, "valid number", "low"),
        ({"low": "0", "high": 2}, "valid number", "low"),
        ({"low": 0, "high": float("inf")}, "finite", "high"),
        ({"low": float("nan"), "high": 1}, "finite", "low"),
        ({"low": 0, "high": 10**400}, "valid number", "high"),
        ({"low": 0, "high": 1, "type": "real"}, "'float' or 'int'", "type"),
        ({"low": 0, "high": 1, "stp": 1}, "unknown key 'stp'; did you mean step", "stp"),
        ({"min": 0, "high": 1}, "unknown key 'min'; here it is called low", "min"),
        ({"low": 0, "choices": (1,)}, "this parameter has choices", "low"),
    ],
)
def test_a_bad_range_is_refused_at_the_key_that_is_wrong(refused, entry, match, key):
    refused(lambda: space_with(**entry), match, ("optimizer.lr", key))


def test_a_step_as_wide_as_the_range_is_allowed():
    space_with(low=0.1, high=0.3, step=0.2)  # 0.3 - 0.1 is below 0.2 in binary


def test_every_mistake_of_a_space_is_told_at_once():
    with pytest.raises(ValidationError) as caught:
        parse_space({"a.b": {"low": 2, "high": 1}, "c": {"low": 0, "high": 1, "log": True}})
    assert [error["loc"] for error in caught.value.errors()] == [("a.b", "high"), ("c", "low")]


def test_a_range_of_a_whole_setting_has_whole_ends(refused):
    layers = {"model.num_layers": {"low": 1, "high": 2.5}}
    refused(lambda: parse_space(layers), "whole number .* got 2.5", ("model.num_layers", "high"))


def test_a_whole_setting_is_not_searched_over_real_numbers(refused):
    layers = {"model.num_layers": {"low": 1, "high": 2, "type": "float"}}
    at = ("model.num_layers", "type")
    refused(lambda: parse_space(layers), "takes whole numbers: leave type out", at)


@pytest.mark.parametrize("path", ["optimizer.name", "optimizer.nesterov", "optimizer.betas"])
def test_what_is_no_number_has_no_range(refused, path):
    read = lambda: parse_space({path: {"low": 0, "high": 1}})  # noqa: E731
    refused(read, rf"{path} is not a number, so it has no range: use \{{choices", (path,))


@given(
    low=st.integers(-50, 50),
    width=st.integers(1, 100),
    step=st.none() | st.integers(1, 20),
    value=st.integers(-80, 180),
)
def test_a_range_contains_what_optuna_says(low, width, step, value):
    step = None if step is None or step > width else step
    mine = Range(low=low, high=low + width, step=step, type="int")
    theirs = optuna.distributions.IntDistribution(
        low, low + width - width % (step or 1), step=step or 1
    )
    assert mine.contains(value) == theirs._contains(value)
    tenth = Range(low=low / 10, high=(low + width) / 10, step=step and step / 10, type="float")
    reals = optuna.distributions.FloatDistribution(
        low / 10, (low + width - width % (step or 1)) / 10, step=step and step / 10
    )
    assert tenth.contains(value / 10) == reals._contains(value / 10)


# choices


def test_choices_may_be_text_numbers_truth_values_null_and_lists():
    values = ("a", 1, 2.5, True, None, (0.9, 0.95))
    with pytest.raises(ValidationError, match="true is there already"):
        parse_space({"x.y": {"choices": values}})
    (parameter,) = parse_space({"x.y": {"choices": (0, *values[2:])}}).parameters
    assert parameter.values == Choices(choices=(0, 2.5, True, None, (0.9, 0.95)))


@pytest.mark.parametrize(
    ("choices", "match", "keys"),
    [
        ((), "must have at least one value", ("choices",)),
        (("a", "b", "a"), r"'a' is there already \(as 'a'\): choices must differ", ("choices", 2)),
        ((1, 1.0), r"1\.0 is there already \(as 1\)", ("choices", 1)),
        ((0, False), r"false is there already \(as 0\)", ("choices", 1)),
        ((1, {"a": 1}), "must be text, a number, .* got a mapping", ("choices", 1)),
        (((1, (2,)),), "or a list of these", ("choices", 0)),
        ((float("nan"),), "must be a finite number", ("choices", 0)),
        (tuple(range(MAX_CHOICES + 1)), "at most 1000", ("choices",)),
        ("adamw", "valid tuple", ("choices",)),
    ],
)
def test_bad_choices_are_refused_at_the_value_that_is_wrong(refused, choices, match, keys):
    refused(lambda: parse_space({"x.y": {"choices": choices}}), match, ("x.y", *keys))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (3, "must be a mapping with low and high, or with choices, got 3"),
        ((1, 2), r"a list of values is written \{choices: \[\.\.\.\]\}"),
        ((), r"a list of values is written"),
        ({}, "needs low and high, or choices"),
        ({"log": True}, "needs low and high, or choices"),
    ],
)
def test_an_entry_that_is_neither_range_nor_choices_is_refused(refused, entry, match):
    refused(lambda: parse_space({"optimizer.lr": entry}), match, ("optimizer.lr",))


def test_another_tools_name_for_choices_is_answered_with_ours(refused):
    read = lambda: parse_space({"optimizer.lr": {"values": (1, 2)}})  # noqa: E731
    refused(read, "'values'; here it is called choices", ("optimizer.lr", "values"))


def test_a_space_has_at_least_one_parameter_and_not_too_many(refused):
    refused(lambda: parse_space({}), "at least one parameter", ())
    many = {f"p{i}": {"low": 0, "high": 1} for i in range(MAX_PARAMETERS + 1)}
    refused(lambda: parse_space(many), "at most 500 parameters, got 501", ())


# conditions


def test_one_setting_has_its_own_range_under_each_condition():
    space = parse_space(LR_OF_EACH)
    assert [p.path for p in space.parameters] == ["optimizer.name", "optimizer.lr", "optimizer.lr"]
    assert [p.name for p in space.at("optimizer.lr")] == [
        "optimizer.lr[optimizer.name=adamw|adam]",
        "optimizer.lr[optimizer.name=sgd]",
    ]
    active = [p.name for p in space.parameters if p.is_active({"optimizer.name": "sgd"})]
    assert active == ["optimizer.name", "optimizer.lr[optimizer.name=sgd]"]
    assert space.paths == ("optimizer.name", "optimizer.lr")


def test_the_names_of_parameters_fit_one_study():
    """Optuna refuses one name with two kinds of range, so each alternative has its own."""
    study = optuna.create_study()
    space = parse_space(LR_OF_EACH)
    for optimizer in ("adamw", "sgd"):
        study.enqueue_trial({"optimizer.name": optimizer})
        trial = study.ask()
        point = {}
        for parameter in space.parameters:
            if parameter.is_active(point):
                values = parameter.values
                point[parameter.path] = (
                    trial.suggest_categorical(parameter.name, values.choices)
                    if isinstance(values, Choices)
                    else trial.suggest_float(
                        parameter.name, values.low, values.high, log=values.log
                    )
                )
        assert point.keys() == {"optimizer.name", "optimizer.lr"}


def test_conditions_are_inherited_along_a_chain():
    space = parse_space(
        {
            "optimizer.momentum": {"low": 0.1, "high": 0.9, "when": {"optimizer.nesterov": True}},
            "optimizer.nesterov": {"choices": (True, False), "when": {"optimizer.name": "sgd"}},
            "optimizer.name": OPTIMIZERS,
        }
    )
    assert space.paths == ("optimizer.name", "optimizer.nesterov", "optimizer.momentum")
    (momentum,) = space.at("optimizer.momentum")
    assert momentum.conditions == {"optimizer.name": ("sgd",), "optimizer.nesterov": (True,)}
    assert not momentum.is_active({"optimizer.nesterov": True})
    assert not momentum.is_active({"optimizer.name": "sgd", "optimizer.nesterov": 1})


@pytest.mark.parametrize(
    ("when", "match", "keys"),
    [
        ({"optimizer.nam": "sgd"}, "not in this space; did you mean optimizer.name", 1),
        ({"optimizer.lr": 1}, "optimizer.lr is a range of numbers; a condition needs", 1),
        ({"optimizer.momentum": 1}, "optimizer.momentum cannot hang on itself", 1),
        ({"optimizer.name": "sdg"}, "one of 'adamw', 'sgd', 'adam', the choices of .* 'sdg'", 1),
        ({"optimizer.name": ("sgd", 1)}, "the choices of optimizer.name; got 1", 1),
        ({"optimizer.name": ()}, "needs a value of optimizer.name, got an empty list", 1),
        ({"optimizer.name": {"a": 1}}, "must be text, a number", 1),
        ("sgd", "valid dictionary", 0),
    ],
)
def test_a_bad_condition_is_refused_where_it_stands(refused, when, match, keys):
    entries = {
        "optimizer.name": OPTIMIZERS,
        "optimizer.lr": LR,
        "optimizer.momentum": {"low": 0, "high": 0.9, "when": when},
    }
    at = ("optimizer.momentum", "when", *([*when][:keys] if keys else []))
    refused(lambda: parse_space(entries), match, at)


def test_a_condition_on_a_setting_with_several_ranges_is_refused(refused):
    entries = {
        **LR_OF_EACH,
        "optimizer.momentum": {"low": 0, "high": 0.9, "when": {"optimizer.lr": 0.1}},
    }
    at = ("optimizer.momentum", "when", "optimizer.lr")
    refused(lambda: parse_space(entries), "has several ranges or sets of choices", at)


def test_conditions_in_a_circle_are_refused(refused):
    entries = {
        "optimizer.name": OPTIMIZERS,
        "a": {"choices": (1, 2), "when": {"b": 1}},
        "b": {"choices": (1, 2), "when": {"c": 1, "optimizer.name": "sgd"}},
        "c": {"choices": (1, 2), "when": {"a": 1}},
    }
    refused(lambda: parse_space(entries), "in a circle: a -> b -> c -> a", ("a", "when", "b"))


def test_a_condition_that_can_never_hold_is_refused(refused):
    entries = {
        "optimizer.name": OPTIMIZERS,
        "optimizer.nesterov": {"choices": (True, False), "when": {"optimizer.name": "sgd"}},
        "optimizer.eps": {
            "low": 0,
            "high": 1,
            "when": {"optimizer.nesterov": True, "optimizer.name": "adam"},
        },
    }
    match = "can never hold: it wants optimizer.name to have two different values"
    refused(lambda: parse_space(entries), match, ("optimizer.eps", "when"))


def test_ranges_of_one_setting_that_hold_together_are_refused(refused):
    both = ({"low": 0, "high": 1, "when": {"optimizer.name": ("adamw", "sgd")}},)
    both += ({"low": 0, "high": 2, "when": {"optimizer.name": ("sgd", "adam")}},)
    entries = {"optimizer.name": OPTIMIZERS, "optimizer.lr": both}
    match = "can hold together with the when of entry 1 of optimizer.lr"
    refused(lambda: parse_space(entries), match, ("optimizer.lr", 1, "when"))


def test_ranges_that_exclude_each_other_by_a_chain_are_allowed():
    entries = {
        "optimizer.name": OPTIMIZERS,
        "optimizer.nesterov": {"choices": (True, False), "when": {"optimizer.name": "sgd"}},
        "optimizer.lr": (
            {"low": 0, "high": 1, "when": {"optimizer.nesterov": True}},
            {"low": 0, "high": 2, "when": {"optimizer.name": ("adamw", "adam")}},
        ),
    }
    assert len(parse_space(entries).at("optimizer.lr")) == 2


def test_each_of_several_ranges_needs_its_condition(refused):
    entries = {"optimizer.name": OPTIMIZERS, "optimizer.lr": (LR, {**LR, "when": MOMENTUM["when"]})}
    match = "needs a when: optimizer.lr has several ranges"
    refused(lambda: parse_space(entries), match, ("optimizer.lr", 0))


def test_a_mistake_in_one_of_several_ranges_is_told_there(refused):
    entries = {"optimizer.lr": ({"low": 2, "high": 1}, 3)}
    with pytest.raises(ValidationError) as caught:
        parse_space(entries)
    assert [e["loc"] for e in caught.value.errors()] == [
        ("optimizer.lr", 0, "high"),
        ("optimizer.lr", 1),
    ]


def test_a_chain_of_hundreds_of_conditions_is_read_quickly():
    entries = {"p0": {"choices": (0, 1)}}
    for i in range(1, MAX_PARAMETERS):
        entries[f"p{i}"] = {"choices": (0, 1), "when": {f"p{i - 1}": 1}}
    backwards = dict(reversed(entries.items()))
    start = time.process_time()
    space = parse_space(backwards)
    assert time.process_time() - start < 2
    assert space.parameters[-1].path == f"p{MAX_PARAMETERS - 1}"


# points


def test_every_end_and_choice_is_probed_once_in_a_whole_point():
    space = parse_space({**LR_OF_EACH, "optimizer.momentum": MOMENTUM})
    probes = {probe.location: probe.point for probe in space.probes()}
    assert probes == {
        ("optimizer.name", "choices", 0): {"optimizer.name": "adamw", "optimizer.lr": 1e-4},
        ("optimizer.name", "choices", 1): {
            "optimizer.name": "sgd",
            "optimizer.lr": 1e-2,
            "optimizer.momentum": 0.0,
        },
        ("optimizer.name", "choices", 2): {"optimizer.name": "adam", "optimizer.lr": 1e-4},
        ("optimizer.lr", 0, "low"): {"optimizer.name": "adamw", "optimizer.lr": 1e-4},
        ("optimizer.lr", 0, "high"): {"optimizer.name": "adamw", "optimizer.lr": 0.2},
        ("optimizer.lr", 1, "low"): {
            "optimizer.name": "sgd",
            "optimizer.lr": 1e-2,
            "optimizer.momentum": 0.0,
        },
        ("optimizer.lr", 1, "high"): {
            "optimizer.name": "sgd",
            "optimizer.lr": 1.0,
            "optimizer.momentum": 0.0,
        },
        ("optimizer.momentum", "low"): {
            "optimizer.name": "sgd",
            "optimizer.lr": 1e-2,
            "optimizer.momentum": 0.0,
        },
        ("optimizer.momentum", "high"): {
            "optimizer.name": "sgd",
            "optimizer.lr": 1e-2,
            "optimizer.momentum": 0.9,
        },
    }


def test_a_probe_says_where_each_of_its_values_was_written():
    probes = {probe.location: probe.origins for probe in parse_space(LR_OF_EACH).probes()}
    assert probes["optimizer.lr", 1, "high"] == {
        "optimizer.lr": ("optimizer.lr", 1, "high"),
        "optimizer.name": ("optimizer.name", "choices", 1),
    }
    assert probes["optimizer.name", "choices", 2] == {
        "optimizer.lr": ("optimizer.lr", 0, "low"),
        "optimizer.name": ("optimizer.name", "choices", 2),
    }


def test_unknown_paths_are_found_with_the_nearest_known_one():
    space = parse_space({"optimizer.lt": LR, "model.num_layers": {"low": 1, "high": 2}})
    ((location, message),) = check_paths(space, ["optimizer.lr", "model.num_layers"])
    assert location == ("space", "optimizer.lt")
    assert "no setting is called 'optimizer.lt'; did you mean optimizer.lr?" in message
    assert check_paths(space, ["optimizer.lt", "model.num_layers"]) == []


def test_braces_in_a_message_are_printed_as_they_stand():
    with pytest.raises(ValidationError, match=r"use \{choices: \[x\]\}"):
        raise_refusals("test", [Refusal((), "use {choices: [x]}")])
