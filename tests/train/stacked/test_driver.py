"""The hook and the chunks, as a caller sees them."""

import numpy as np
from stacks import Heard, make_config, start

from harness.spec.run_config import CheckpointConfig
from harness.train.stacked.driver import train


def test_a_finished_run_is_not_trained_again():
    runs = start(make_config(train={"steps": 3}))
    train(runs, Heard())
    before = runs[0].weights.tobytes()
    heard = Heard()
    train(runs, heard)
    assert heard.num_calls == 0
    assert runs[0].weights.tobytes() == before


def test_no_runs_are_trained_at_once():
    heard = Heard()
    train([], heard)
    assert heard.num_calls == 0


def every(steps):
    return CheckpointConfig(every=steps)


def test_chunks_end_where_a_checkpoint_is_due():
    runs = start(
        make_config(train={"steps": 20}).model_copy(update={"checkpoint": every(6)}),
        make_config(train={"steps": 11}).model_copy(update={"checkpoint": every(5)}),
    )
    seen = {0: set(), 1: set()}

    def hook(records):
        for i, first_step, losses in records:
            seen[i].add(runs[i].step)
            assert runs[i].step == first_step + len(losses) - 1
        return ()

    train(runs, hook, chunk_steps=100)
    assert {6, 12, 18, 20} <= seen[0]
    assert {5, 10, 11} <= seen[1]


def test_a_stopped_run_is_as_after_its_last_record_and_owns_its_arrays():
    runs = start(*(make_config(train={"steps": 30}, seed={"model": i}) for i in range(3)))
    heard = Heard({1: 4})
    train(runs, heard, chunk_steps=2)
    assert [run.step for run in runs] == [30, 4, 30]
    assert [len(heard.losses[i]) for i in range(3)] == [30, 4, 30]
    assert all(run.weights.base is None and run.weights.flags.c_contiguous for run in runs)
    assert runs[1].remaining == 26
    train([runs[1]], heard_rest := Heard())
    [whole] = start(make_config(train={"steps": 30}, seed={"model": 1}))
    train([whole], heard_whole := Heard())
    assert heard.losses[1] + heard_rest.losses[0] == heard_whole.losses[0]
    assert np.array_equal(whole.weights, runs[1].weights)


def test_runs_of_several_shapes_train_in_one_call():
    shapes = [{}, {"model": {"embed_dim": 4}}, {"train": {"batch_size": 2}}]
    configs = [
        make_config(**{**shape, "optimizer": {"name": "adam", "lr": 1e-2}}) for shape in shapes
    ]
    together, alone = Heard(), []
    train(start(*configs), together)
    for config in configs:
        train(start(config), heard := Heard())
        alone.append(heard.losses[0])
    assert [together.losses[i] for i in range(3)] == alone
