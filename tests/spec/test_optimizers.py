from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from harness.spec.optimizers import OPTIMIZERS, AnyOptimizer

OPTIMIZER = TypeAdapter(AnyOptimizer)
NAN, INF = float("nan"), float("inf")


def optimizer(name, **arguments):
    return OPTIMIZER.validate_python({"name": name, "lr": 0.1, **arguments})


BETAS = ["adamw", "adam", "nadam", "radam"]
FUSED = ["adamw", "adam", "sgd", "adagrad"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_name_and_a_learning_rate_are_enough(name):
    found = optimizer(name)
    assert type(found) is OPTIMIZERS[name]
    assert found.name == name
    assert found.arguments()["lr"] == 0.1
    assert "name" not in found.arguments()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_learning_rate_is_required(refused, name):
    refused(lambda: OPTIMIZER.validate_python({"name": name}), "Field required", (name, "lr"))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("lr", "match"),
    [
        (0, "greater than 0"),
        (-0.1, "greater than 0"),
        (1.1e6, "less than or equal to 1000000"),
        (NAN, "finite|greater than 0"),
        (INF, "finite|less than or equal"),
        ("0.1", "valid number"),
        (True, "valid number"),
        (None, "valid number"),
    ],
)
def test_a_learning_rate_is_a_positive_number(refused, name, lr, match):
    refused(lambda: optimizer(name, lr=lr), match, (name, "lr"))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_argument_of_another_optimizer_is_refused(refused, name):
    known = OPTIMIZERS[name].model_fields
    foreign = {key for model in OPTIMIZERS.values() for key in model.model_fields} - known.keys()
    assert foreign
    for key in foreign:
        refused(lambda key=key: optimizer(name, **{key: 0.5}), "not permitted", (name, key))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_that_decays_weights_is_not_negative(refused, name):
    match = "greater than or equal to 0"
    refused(lambda: optimizer(name, weight_decay=-0.1), match, (name, "weight_decay"))
    assert optimizer(name, weight_decay=0).weight_decay == 0


@pytest.mark.parametrize("name", BETAS)
@pytest.mark.parametrize(
    ("betas", "match", "keys"),
    [
        ((0.9, 1.0), "less than 1", (1,)),
        ((-0.1, 0.9), "greater than or equal to 0", (0,)),
        ((0.9, NAN), "finite|less than 1|greater than", (1,)),
        ((0.9,), "Field required", (1,)),
        ((0.9, 0.99, 0.999), "at most 2 items", ()),
        (0.9, "valid tuple", ()),
    ],
)
def test_betas_are_two_numbers_from_0_to_below_1(refused, name, betas, match, keys):
    refused(lambda: optimizer(name, betas=betas), match, (name, "betas", *keys))


@pytest.mark.parametrize(
    ("name", "key", "allowed", "wrong", "match"),
    [
        ("adamw", "eps", 0, -1e-8, "greater than or equal to 0"),
        ("sgd", "momentum", 1.5, -0.1, "greater than or equal to 0"),
        ("sgd", "dampening", -1, INF, "finite"),
        ("nadam", "momentum_decay", 0, -0.1, "greater than or equal to 0"),
        ("nadam", "decoupled_weight_decay", True, 1, "valid boolean"),
        ("rmsprop", "alpha", 0, 1, "less than 1"),
        ("rmsprop", "momentum", 0.9, -1, "greater than or equal to 0"),
        ("rmsprop", "centered", True, "yes", "valid boolean"),
        ("adagrad", "lr_decay", 0.1, -0.1, "greater than or equal to 0"),
        ("adagrad", "initial_accumulator_value", 1, -1, "greater than or equal to 0"),
        ("adafactor", "beta2_decay", 0, 0.1, "less than or equal to 0"),
        ("adafactor", "d", 1, 0.9, "greater than or equal to 1"),
        ("adamw", "amsgrad", True, 0, "valid boolean"),
        ("adamw", "foreach", None, 1, "valid boolean"),
        ("adamw", "maximize", True, None, "valid boolean"),
    ],
)
def test_an_argument_keeps_its_range(refused, name, key, allowed, wrong, match):
    assert getattr(optimizer(name, **{key: allowed}), key) == allowed
    refused(lambda: optimizer(name, **{key: wrong}), match, (name, key))


def test_adafactor_has_two_terms_of_regularisation():
    assert optimizer("adafactor", eps=(None, 1e-3)).eps == (None, 1e-3)
    assert optimizer("adafactor", eps=(1e-8, 0.1)).eps == (1e-8, 0.1)


def test_adafactors_second_term_is_a_number(refused):
    refused(lambda: optimizer("adafactor", eps=(1e-8, None)), "number", ("adafactor", "eps", 1))
    match = "greater than or equal to 0"
    refused(lambda: optimizer("adafactor", eps=(-1, 0.1)), match, ("adafactor", "eps", 0))


@pytest.mark.parametrize("name", FUSED)
def test_only_one_implementation_is_chosen(refused, name):
    read = lambda: optimizer(name, fused=True, foreach=True)  # noqa: E731
    refused(read, "fused and foreach cannot both be true", (name,))
    assert optimizer(name, fused=True, foreach=False).fused
    assert optimizer(name, fused=False, foreach=True).foreach


@pytest.mark.parametrize(
    "arguments",
    [{}, {"momentum": 0.9, "dampening": 0.1}, {"dampening": 0.1}],
)
def test_nesterov_needs_momentum_and_no_dampening(refused, arguments):
    match = "nesterov needs a momentum greater than 0 and a dampening of 0"
    refused(lambda: optimizer("sgd", nesterov=True, **arguments), match, ("sgd",))
    assert optimizer("sgd", nesterov=True, momentum=0.9).nesterov


@pytest.mark.parametrize(
    ("read", "at"),
    [
        (lambda: optimizer("sgd", nesterov=True), "nesterov"),
        (lambda: optimizer("sgd", fused=True, foreach=True), "fused"),
    ],
)
def test_a_check_of_two_arguments_names_the_key_that_is_wrong(read, at):
    with pytest.raises(ValueError, match=at) as caught:
        read()
    assert caught.value.errors()[0]["ctx"]["at"] == at


def test_an_unknown_optimizer_is_refused_with_those_that_there_are(refused):
    match = ", ".join(f"'{name}'" for name in OPTIMIZERS)
    refused(lambda: optimizer("adamwx"), match, ())
    refused(lambda: OPTIMIZER.validate_python({"lr": 0.1}), "discriminator 'name'", ())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_argument_is_described(name):
    fields = OPTIMIZERS[name].model_fields
    assert [key for key in fields if not fields[key].description] == ["name"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_defaults_are_in_their_own_ranges(name):
    found = optimizer(name)
    assert OPTIMIZER.validate_python(found.model_dump()) == found
    assert OPTIMIZER.validate_json(found.model_dump_json(), strict=False) == found


def test_a_frozen_optimizer_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        optimizer("sgd").lr = 1.0
