"""The stacked engine against `plain`."""

import numpy as np
import pytest
from chapter_run import train as train_alone
from stacks import OPTIMIZERS, Heard, make_config, start

from harness.train.stacked.driver import train

SECTION_14_5 = {1: "5.2739", 10: "1.6107", 50: "0.3453", 100: "0.0162", 200: "0.0035"}

# Where Adam's means forget at once, an update is about lr times the gradient's sign, and a sign
# can hang on the last bit of a gradient near 0: 1.4e-5 was measured.
SIGN_LIKE = OPTIMIZERS[2]
AGREEING = [
    *({"name": "adamw", "lr": lr} for lr in (1e-3, 3e-3, 1e-2, 2e-2, 3e-2)),
    *({"name": "sgd", "lr": lr} for lr in (1e-3, 1e-2, 3e-2, 1e-1)),
    *(optimizer for optimizer in OPTIMIZERS if optimizer is not SIGN_LIKE),
]


def losses_of(*configs):
    heard = Heard()
    train(start(*configs), heard)
    return [np.array(heard.losses[i]) for i in range(len(configs))]


def test_section_14_5_prints_its_five_losses():
    [losses] = losses_of(make_config())
    assert {step: f"{losses[step - 1]:.4f}" for step in SECTION_14_5} == SECTION_14_5


@pytest.mark.slow
def test_losses_agree_with_plain_to_two_millionths_over_200_steps():
    configs = [make_config(optimizer=optimizer) for optimizer in AGREEING]
    for config, losses in zip(configs, losses_of(*configs), strict=True):
        plain = np.array(train_alone("plain", config))
        assert np.abs(losses - plain).max() <= 2e-6, config.optimizer


@pytest.mark.parametrize("batch_size", [1, 16])
def test_losses_agree_with_plain_in_other_batch_sizes(batch_size):
    config = make_config(train={"batch_size": batch_size})
    assert np.abs(losses_of(config)[0] - train_alone("plain", config)).max() <= 2e-6
