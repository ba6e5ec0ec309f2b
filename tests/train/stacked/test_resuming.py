"""Stacked runs as states and checkpoints that any engine goes on with."""

import numpy as np
import pytest
import torch
from chapter_run import Recorder, make_corpus
from chapter_run import train as train_alone
from stacks import OPTIMIZERS, Heard, make_config, start, trained

from harness.gpt.checkpoint import save_checkpoint
from harness.train.engines import ENGINES
from harness.train.resume import checkpoint_of, restore
from harness.train.stacked.checkpoints import Checkpoints
from harness.train.stacked.driver import train
from harness.train.stacked.run import run_of
from harness.train.state import start as start_alone

AGREEING = [one for one in OPTIMIZERS if one.get("betas") != (0.0, 0.5)]  # see test_agreement


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: "-".join(map(str, o.values())))
def test_twelve_steps_are_five_saved_and_loaded_and_seven(tmp_path, optimizer, dropout):
    config = make_config(
        optimizer=optimizer, train={"steps": 12}, model={"num_layers": 1, "dropout": dropout}
    )
    [whole] = trained(start(config))
    [run] = start(config)
    heard = Heard({0: 5})
    train([run], heard, chunk_steps=5)
    save_checkpoint(tmp_path / "five", checkpoint_of(run.state(), "v1-x"))
    state = start_alone(config, make_corpus(config))
    restore(state, tmp_path / "five")
    second = run_of(state)
    assert second.step == 5
    [rest] = trained([second])
    assert np.array(heard.losses[0], np.float32).tobytes() + rest[0] == whole[0]
    assert rest[1:] == whole[1:]


@pytest.mark.parametrize("optimizer", AGREEING, ids=lambda o: "-".join(map(str, o.values())))
def test_plain_goes_on_from_a_stacked_checkpoint_and_stacked_from_a_plain_one(tmp_path, optimizer):
    config = make_config(optimizer=optimizer, train={"steps": 60})
    expected = train_alone("plain", config)

    [run] = start(config)
    train([run], Heard({0: 20}), chunk_steps=20)
    save_checkpoint(tmp_path / "stacked", checkpoint_of(run.state(), "v1-x"))
    state = start_alone(config, make_corpus(config))
    restore(state, tmp_path / "stacked")
    recorder = Recorder()
    ENGINES["plain"](state, recorder)
    assert np.abs(np.array(recorder.losses) - expected[20:]).max() <= 2e-6

    state = start_alone(config, make_corpus(config))
    ENGINES["plain"](state, Recorder(stop_at=20))
    save_checkpoint(tmp_path / "plain", checkpoint_of(state, "v1-x"))
    fresh = start_alone(config, make_corpus(config))
    restore(fresh, tmp_path / "plain")
    heard = Heard()
    train([run_of(fresh)], heard)
    assert np.abs(np.array(heard.losses[0]) - expected[20:]).max() <= 2e-6


def test_a_new_runs_state_is_the_one_that_start_makes():
    config = make_config(model={"dropout": 0.1})
    [run] = start(config)
    ours, theirs = run.state(), start_alone(config, make_corpus(config))
    for a, b in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert ours.optimizer.state_dict() == theirs.optimizer.state_dict()
    assert torch.equal(ours.batches.get_state(), theirs.batches.get_state())
    assert ours.config == theirs.config


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: "-".join(map(str, o.values())))
def test_a_states_optimizer_has_the_form_that_torch_gives_it(optimizer):
    config = make_config(optimizer=optimizer, train={"steps": 3})
    [run] = start(config)
    train([run], Heard())
    state = start_alone(config, make_corpus(config))
    ENGINES["plain"](state, Recorder())
    ours, theirs = run.state().optimizer.state_dict(), state.optimizer.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    forms = [
        {
            i: {k: (v.shape, v.dtype) for k, v in one.items() if v is not None}
            for i, one in s.items()
        }
        for s in (ours["state"], theirs["state"])
    ]
    forms[1] = {i: one for i, one in forms[1].items() if one}
    assert forms[0] == forms[1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("steps", [0, 3])
def test_a_checkpoint_made_without_a_state_has_the_bytes_of_one_made_with(
    optimizer, steps, tmp_path
):
    runs = start(*(make_config(optimizer=optimizer, seed={"model": i}) for i in range(2)))
    if steps:
        train(runs, Heard({0: steps, 1: steps}), chunk_steps=steps)
    checkpoints = Checkpoints()
    for i, run in enumerate(runs):
        save_checkpoint(tmp_path / f"ours{i}", checkpoints.of(run, "v1-x"))
        save_checkpoint(tmp_path / f"theirs{i}", checkpoint_of(run.state(), "v1-x"))
        ours, theirs = (
            {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
            for name in (f"ours{i}", f"theirs{i}")
        )
        assert ours == theirs
        assert len(ours) == 3


def test_looking_at_a_run_while_it_trains_does_not_alter_it():
    config = make_config(train={"steps": 9}, model={"dropout": 0.2})
    [expected] = trained(start(config))
    [run] = start(config)
    heard = Heard()

    def hook(records):
        state = run.state()
        assert state.step == run.step
        with torch.no_grad():
            for parameter in state.model.parameters():
                parameter.zero_()
        state.batches.manual_seed(0)
        return heard(records)

    train([run], hook, chunk_steps=2)
    assert heard.num_calls == 5
    assert np.array(heard.losses[0], np.float32).tobytes() == expected[0]
    assert run.weights.tobytes() == expected[1]
