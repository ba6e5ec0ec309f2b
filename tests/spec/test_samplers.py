from __future__ import annotations

import inspect
import warnings

import optuna
import pytest
from pydantic import TypeAdapter

from harness.spec.samplers import SAMPLERS, AnySampler

SAMPLER = TypeAdapter(AnySampler)


@pytest.mark.parametrize("name", SAMPLERS)
def test_arguments_and_defaults_are_those_of_the_installed_optuna(name):
    model = SAMPLERS[name]
    signature = inspect.signature(getattr(optuna.samplers, model.optuna_class)).parameters
    fields = {key: field for key, field in model.model_fields.items() if key != "name"}
    assert fields.keys() | model.left_out.keys() == signature.keys()
    assert not fields.keys() & model.left_out.keys()
    for key, field in fields.items():
        if key != "seed":
            assert field.get_default() == signature[key].default
    assert signature["seed"].default is None  # chance there, 0 here
    assert fields["seed"].default == 0


def test_what_is_called_deprecated_warns_in_optuna():
    for model in SAMPLERS.values():
        sampler = getattr(optuna.samplers, model.optuna_class)
        for key, reason in model.left_out.items():
            if "deprecated" in reason:
                with pytest.warns(FutureWarning, match="deprecated"):
                    sampler(**{key: 1.0})


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "grid"])
def test_the_arguments_make_a_sampler_and_none_is_deprecated(name):
    config = SAMPLER.validate_python({"name": name, "seed": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = getattr(optuna.samplers, config.optuna_class)(**config.arguments())
    assert isinstance(sampler, optuna.samplers.BaseSampler)


def test_the_name_in_the_file_is_the_name_in_the_table():
    assert {name: model.model_fields["name"].default for name, model in SAMPLERS.items()} == {
        name: name for name in SAMPLERS
    }


@pytest.mark.parametrize(
    ("sampler", "match", "at"),
    [
        ({"name": "tpe", "n_startup_trials": -1}, "greater than or equal to 0", "n_startup_trials"),
        ({"name": "tpe", "n_ei_candidates": 0}, "greater than or equal to 1", "n_ei_candidates"),
        ({"name": "tpe", "seed": 2**32}, "less than 4294967296", "seed"),
        ({"name": "tpe", "seed": None}, "valid integer", "seed"),
        ({"name": "tpe", "multivariate": 1}, "valid boolean", "multivariate"),
        ({"name": "tpe", "prior_weight": 1.0}, "not permitted", "prior_weight"),
        ({"name": "random", "n_startup_trials": 3}, "not permitted", "n_startup_trials"),
        ({"name": "cmaes", "popsize": 1}, "greater than or equal to 2", "popsize"),
        ({"name": "qmc", "qmc_type": "sobel"}, "'sobol' or 'halton'", "qmc_type"),
        (
            {"name": "tpe", "group": True, "multivariate": False},
            "needs multivariate, which is false here",
            "group",
        ),
    ],
)
def test_a_bad_argument_is_refused_at_its_key(refused, sampler, match, at):
    refused(lambda: SAMPLER.validate_python(sampler), match, (sampler["name"], at))


def test_optuna_refuses_a_group_that_is_not_multivariate_too():
    with pytest.raises(ValueError, match="``group`` option"):
        optuna.samplers.TPESampler(group=True, multivariate=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("use_separable_cma", "with_margin"),
        ("use_separable_cma", "lr_adapt"),
        ("with_margin", "lr_adapt"),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_variants_of_cmaes_that_optuna_cannot_combine_are_refused(refused, one, other):
    match = f"cannot be combined with {one}"
    read = lambda: SAMPLER.validate_python({"name": "cmaes", one: True, other: True})  # noqa: E731
    refused(read, match, ("cmaes", other))
    with pytest.raises(ValueError, match=r"prohibited|do not support"):
        optuna.samplers.CmaEsSampler(**{one: True, other: True})


def test_an_unknown_sampler_is_refused_with_those_that_there_are(refused):
    match = "'random', 'tpe', 'cmaes', 'gp', 'qmc', 'grid'"
    refused(lambda: SAMPLER.validate_python({"name": "bayes"}), match, ())
    refused(lambda: SAMPLER.validate_python({"seed": 1}), "discriminator 'name'", ())
