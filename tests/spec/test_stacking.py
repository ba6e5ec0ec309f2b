import pytest

from harness.spec.run_config import RunConfig
from harness.spec.stacking import supports, unsupported

SECTIONS = {
    "model": {"embed_dim": 8, "num_heads": 2, "num_layers": 2, "max_seq_len": 64},
    "data": {"text": "a b"},
    "train": {"steps": 1, "batch_size": 1, "seq_len": 1},
}


def config(optimizer: dict[str, object], **train: object) -> RunConfig:
    sections = {**SECTIONS, "train": {**SECTIONS["train"], **train}}
    return RunConfig.model_validate({**sections, "optimizer": {"lr": 0.1, **optimizer}})


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "adamw"},
        {"name": "adam", "foreach": False, "fused": False},
        {"name": "sgd", "momentum": 0.9, "nesterov": True},
    ],
)
def test_three_optimizers_on_the_cpu_are_supported(optimizer):
    assert supports(config(optimizer))
    assert unsupported(config(optimizer)) is None


@pytest.mark.parametrize(
    ("optimizer", "train", "reason"),
    [
        ({"name": "nadam"}, {}, "optimizer.name: nadam"),
        ({"name": "adamw", "amsgrad": True}, {}, "optimizer.amsgrad: true"),
        ({"name": "sgd", "maximize": True}, {}, "optimizer.maximize: true"),
        ({"name": "adam", "foreach": True}, {}, "optimizer.foreach: true"),
        ({"name": "adam", "fused": True}, {}, "optimizer.fused: true"),
        ({"name": "adamw"}, {"device": "cuda:1"}, "train.device: cuda:1"),
    ],
)
def test_what_is_not_supported_is_named(optimizer, train, reason):
    assert unsupported(config(optimizer, **train)) == reason
    assert not supports(config(optimizer, **train))
