from __future__ import annotations

import inspect

import optuna
import pytest
from pydantic import TypeAdapter

from harness.spec.pruners import PRUNERS, AnyPruner

PRUNER = TypeAdapter(AnyPruner)
SMALLEST = {
    "percentile": {"percentile": 25.0},
    "threshold": {"upper": 5.0},
    "patient": {"wrapped": None, "patience": 2},
}


def config_of(name, **arguments):
    return PRUNER.validate_python({"name": name, **SMALLEST.get(name, {}), **arguments})


@pytest.mark.parametrize("name", PRUNERS)
def test_arguments_and_defaults_are_those_of_the_installed_optuna(name):
    model = PRUNERS[name]
    signature = inspect.signature(getattr(optuna.pruners, model.optuna_class)).parameters
    fields = {key: field for key, field in model.model_fields.items() if key != "name"}
    assert {model.renamed.get(key, key) for key in fields} == signature.keys()
    for key, field in fields.items():
        default = signature[model.renamed.get(key, key)].default
        required = default is inspect.Parameter.empty
        assert field.is_required() == required
        assert required or field.get_default() == default


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "patient"])
def test_the_arguments_make_a_pruner(name):
    config = config_of(name)
    pruner = getattr(optuna.pruners, config.optuna_class)(**config.arguments())
    assert isinstance(pruner, optuna.pruners.BasePruner)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_patient_pruner_wraps_another():
    config = config_of("patient", wrapped={"name": "median", "n_warmup_steps": 20})
    inner = optuna.pruners.MedianPruner(**config.wrapped.arguments())
    optuna.pruners.PatientPruner(inner, **config.arguments())
    assert config.arguments() == {"patience": 2, "min_delta": 0.0}


def test_the_name_in_the_file_is_the_name_in_the_table():
    assert [model.model_fields["name"].default for model in PRUNERS.values()] == list(PRUNERS)


@pytest.mark.parametrize(
    ("name", "arguments", "match", "at"),
    [
        ("median", {"n_startup_trials": -1}, "greater than or equal to 0", "n_startup_trials"),
        ("median", {"n_warmup_steps": -1}, "greater than or equal to 0", "n_warmup_steps"),
        ("median", {"interval_steps": 0}, "greater than or equal to 1", "interval_steps"),
        ("median", {"n_min_trials": 0}, "greater than or equal to 1", "n_min_trials"),
        ("median", {"percentile": 50.0}, "not permitted", "percentile"),
        ("percentile", {"percentile": 100.5}, "less than or equal to 100", "percentile"),
        ("percentile", {"percentile": -1}, "greater than or equal to 0", "percentile"),
        ("successive_halving", {"reduction_factor": 1}, "equal to 2", "reduction_factor"),
        (
            "successive_halving",
            {"min_early_stopping_rate": -1},
            "greater than or equal to 0",
            "min_early_stopping_rate",
        ),
        (
            "successive_halving",
            {"min_resource": 0},
            "a whole number of optimizer steps from 1 to 1e9, or auto, got 0",
            "min_resource",
        ),
        ("successive_halving", {"min_resource": "aut"}, "or auto, got 'aut'", "min_resource"),
        ("successive_halving", {"min_resource": True}, "or auto, got true", "min_resource"),
        ("successive_halving", {"min_resource": 2.5}, "or auto, got 2.5", "min_resource"),
        (
            "successive_halving",
            {"bootstrap_count": 1},
            "needs a number of steps for min_resource, which is auto here",
            "bootstrap_count",
        ),
        ("hyperband", {"min_resource": "auto"}, "valid integer", "min_resource"),
        ("hyperband", {"reduction_factor": 1}, "equal to 2", "reduction_factor"),
        (
            "hyperband",
            {"bootstrap_count": 1},
            "needs a number of steps for max_resource",
            "bootstrap_count",
        ),
        (
            "hyperband",
            {"min_resource": 30, "max_resource": 20},
            r"must be at least min_resource \(30\), got 20",
            "max_resource",
        ),
        ("threshold", {"lower": 6.0}, r"must be at least lower \(6\.0\), got 5\.0", "upper"),
        ("threshold", {"lower": float("-inf")}, "finite", "lower"),
        ("patient", {"patience": -1}, "greater than or equal to 0", "patience"),
        ("patient", {"min_delta": -0.1}, "greater than or equal to 0", "min_delta"),
    ],
)
def test_a_bad_argument_is_refused_at_its_key(refused, name, arguments, match, at):
    refused(lambda: config_of(name, **arguments), match, (name, at))


@pytest.mark.parametrize(
    ("pruner", "arguments"),
    [
        (optuna.pruners.SuccessiveHalvingPruner, {"bootstrap_count": 1}),
        (optuna.pruners.HyperbandPruner, {"bootstrap_count": 1}),
        (optuna.pruners.ThresholdPruner, {"lower": 6.0, "upper": 5.0}),
    ],
)
def test_optuna_refuses_the_same_combinations(pruner, arguments):
    with pytest.raises(ValueError, match=r"incompatible|smaller"):
        pruner(**arguments)


def test_a_threshold_needs_a_bound(refused):
    read = lambda: PRUNER.validate_python({"name": "threshold"})  # noqa: E731
    refused(read, "needs lower, upper or both", ("threshold",))


@pytest.mark.parametrize("inner", ["none", "patient", "medium"])
def test_only_a_pruner_that_prunes_can_be_wrapped(refused, inner):
    read = lambda: config_of("patient", wrapped={"name": inner})  # noqa: E731
    match = "'median', 'percentile', 'successive_halving', 'hyperband', 'threshold'"
    refused(read, match, ("patient", "wrapped"))


@pytest.mark.parametrize("missing", ["wrapped", "patience"])
def test_a_patient_pruner_says_whom_it_wraps_and_how_long_it_waits(refused, missing):
    given = {key: value for key, value in SMALLEST["patient"].items() if key != missing}
    read = lambda: PRUNER.validate_python({"name": "patient", **given})  # noqa: E731
    refused(read, "Field required", ("patient", missing))


def test_an_unknown_pruner_is_refused_with_those_that_there_are(refused):
    read = lambda: PRUNER.validate_python({"name": "asha"})  # noqa: E731
    refused(read, "'none', 'median', 'percentile', 'successive_halving', 'hyperband'", ())
