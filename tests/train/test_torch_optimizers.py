import inspect

import pytest
import torch
from chapter_run import make_config, train

from harness.spec.optimizers import OPTIMIZERS
from harness.train.optimizers import TORCH_CLASSES, build_optimizer

# Switches of how a step is launched, and what harness calls by another name (`adamw`).
LEFT_OUT = {"AdamW": set(), "Adam": {"decoupled_weight_decay"}}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_and_defaults_are_those_of_the_installed_torch(name: str) -> None:
    config = OPTIMIZERS[name](lr=0.1)
    signature = inspect.signature(TORCH_CLASSES[config.torch_class])
    left_out = {"params", "capturable", "differentiable"} | LEFT_OUT.get(config.torch_class, set())
    expected = {key: p.default for key, p in signature.parameters.items() if key not in left_out}
    assert config.arguments() == {**expected, "lr": 0.1}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_table_maps_each_name_to_the_class_of_that_name(name: str) -> None:
    torch_class = OPTIMIZERS[name].torch_class
    assert TORCH_CLASSES[torch_class] is getattr(torch.optim, torch_class)


def test_every_torch_class_of_the_table_is_reachable() -> None:
    assert {kind.torch_class for kind in OPTIMIZERS.values()} == set(TORCH_CLASSES)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains(name: str) -> None:
    config = make_config(optimizer={"name": name, "lr": 1e-2}, train={"steps": 3})
    losses = train("plain", config)
    assert losses[2] < losses[0] == train("plain", make_config(train={"steps": 1}))[0]


@pytest.mark.parametrize("implementation", ["foreach", "fused"])
def test_switches_reach_torch(implementation: str) -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    config = OPTIMIZERS["adamw"](lr=0.1, betas=(0.5, 0.6), **{implementation: True})
    group = build_optimizer(weights, config).param_groups[0]
    assert (group[implementation], group["betas"], group["lr"]) == (True, (0.5, 0.6), 0.1)
