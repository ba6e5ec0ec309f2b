"""The optimizers against torch's, in double and in single precision, a lane each."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from stacks import OPTIMIZERS

from harness.spec.optimizers import AnyOptimizer
from harness.train.optimizers import build_optimizer
from harness.train.stacked.cpu import optimizers
from harness.train.stacked.cpu.memory import zeros
from harness.train.stacked.cpu.vector import W
from harness.train.stacked.settings import settings_of

P, STEPS = 37, 25
CONFIGS = [TypeAdapter(AnyOptimizer).validate_python(one) for one in OPTIMIZERS]
FAMILIES = {
    family: [one for one in CONFIGS if settings_of(one).family == family]
    for family in ("adam", "sgd")
}


def torchs(config, first, gradients, dtype):
    parameter = torch.from_numpy(first).to(dtype).requires_grad_()
    optimizer = build_optimizer([parameter], config)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient).to(dtype)
        optimizer.step()
    return parameter.detach().double().numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_each_lane_is_updated_by_its_own_settings_as_torch_does(family):
    configs = [FAMILIES[family][lane % len(FAMILIES[family])] for lane in range(W)]
    random = np.random.default_rng(0)
    first = random.normal(size=(P, W)).astype("f4")
    gradients = random.normal(size=(STEPS, P, W)).astype("f4")
    settings = np.array([settings_of(config).values for config in configs]).T.copy()
    weights, moments = zeros((P,)), [zeros((P,)) for _ in range(2)]
    numbers, gradient = zeros((optimizers.NUM_NUMBERS,)), zeros((P,))
    weights[:] = first
    for step in range(STEPS):
        gradient[:] = gradients[step]
        steps = np.full(W, step + 1)
        if family == "adam":
            optimizers.adam_numbers(numbers, settings, steps)
            optimizers.adam(weights, gradient, *moments, numbers, 0, P)
        else:
            optimizers.sgd_numbers(numbers, settings, steps)
            optimizers.sgd(weights, gradient, moments[0], numbers)
        assert not gradient.any()
    for lane, config in enumerate(configs):
        exact, single = (
            torchs(config, first[:, lane].copy(), gradients[..., lane].copy(), dtype)
            for dtype in (torch.double, torch.float)
        )
        ours = np.abs(weights[:, lane] - exact).max()
        assert ours <= 4 * np.abs(single - exact).max() + 4e-7 * np.abs(exact).max(), config


def test_rows_without_gradient_only_decay_to_the_bit():
    configs = [one for one in CONFIGS if one.name == "adamw"]
    settings = np.array([settings_of(configs[i % len(configs)]).values for i in range(W)]).T.copy()
    weights, numbers = zeros((P,)), zeros((optimizers.NUM_NUMBERS,))
    weights[:] = np.random.default_rng(1).normal(size=(P, W))
    weights[0], weights[1] = 0.0, -0.0
    other = weights.copy()
    for step in range(1, 9):
        optimizers.adam_numbers(numbers, settings, np.full(W, step))
        optimizers.adam(weights, zeros((P,)), zeros((P,)), zeros((P,)), numbers, 0, P)
        optimizers.decay_only(other, numbers, 0, P)
        assert weights.tobytes() == other.tobytes()
