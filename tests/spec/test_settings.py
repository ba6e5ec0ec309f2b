from __future__ import annotations

from harness.spec.optimizers import OPTIMIZERS
from harness.spec.settings import SETTINGS, is_whole, takes_numbers


def test_the_settings_are_those_of_every_section_and_optimizer():
    assert SETTINGS["model.embed_dim"] == {"int"}
    assert SETTINGS["model.dropout"] == {"float"}
    assert SETTINGS["data.builtin"] == SETTINGS["train.engine"] == {"text"}
    assert SETTINGS["seed.data"] == {"int"}
    assert SETTINGS["checkpoint.every"] == {"int"}
    assert SETTINGS["optimizer.name"] == {"text"}
    assert SETTINGS["optimizer.nesterov"] == {"bool"}
    assert SETTINGS["optimizer.betas"] == {"list"}
    assert SETTINGS["optimizer.eps"] == {"float", "list"}  # a pair in Adafactor
    assert all(SETTINGS.values())
    for optimizer in OPTIMIZERS.values():
        assert {f"optimizer.{key}" for key in optimizer.model_fields} <= SETTINGS.keys()


def test_what_is_no_setting_of_a_training_is_not_among_them():
    assert not {"description", "tags", "model", "optimizer"} & SETTINGS.keys()


def test_whole_and_real_settings_are_told_apart():
    assert is_whole("train.batch_size")
    assert not is_whole("optimizer.lr")
    assert takes_numbers("optimizer.eps")
    assert not takes_numbers("optimizer.nesterov")


def test_an_unknown_path_may_be_a_number():
    assert takes_numbers("optimizer.rate")
    assert not is_whole("optimizer.rate")
