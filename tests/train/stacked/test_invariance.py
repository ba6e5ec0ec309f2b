"""A run's bits are its own: alone, among others, wherever, however it is trained."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import ODD_SHAPES, OPTIMIZERS, make_config, start, trained

SMALL = {
    "model": {"embed_dim": 4, "num_heads": 2, "num_layers": 1, "max_seq_len": 6},
    "train": {"batch_size": 2, "seq_len": 5},
}
DIVERGING = {"name": "sgd", "lr": 1e6}
ALONE = {}


def configs(shape, optimizer, steps, seed, text="I love AI !", dropout=0.0):
    sections = {name: dict(section) for name, section in shape.items()}
    sections.setdefault("train", {})["steps"] = steps
    sections.setdefault("model", {})["dropout"] = dropout
    sections.setdefault("data", {}).setdefault("text", text)
    return make_config(**sections, optimizer=optimizer, seed={"model": seed, "data": seed + 1})


def alone(config, stop_at=None):
    """The run in a stack of one, remembered: examples share runs."""
    key = (config.model_dump_json(), stop_at)
    if key not in ALONE:
        [ALONE[key]] = trained(start(config), stop_at={0: stop_at} if stop_at else None)
    return ALONE[key]


run_configs = st.builds(
    configs,
    st.just(SMALL),
    st.sampled_from([*OPTIMIZERS, DIVERGING]),
    st.sampled_from([1, 3, 7, 12]),
    st.integers(0, 5),
    st.sampled_from(["I love AI !", "d c b a"]),
    st.sampled_from([0.0, 0.0, 0.25, 0.5]),
)


@settings(max_examples=200)
@given(
    st.lists(run_configs, min_size=1, max_size=40),
    st.none() | st.integers(1, 12),
    st.sampled_from([1, 1, 2, 3]),
)
def test_a_run_among_others_is_the_run_alone(stack, chunk_steps, threads):
    together = trained(start(*stack), chunk_steps=chunk_steps, threads=threads)
    for config, found in zip(stack, together, strict=True):
        assert found == alone(config)


@settings(max_examples=100)
@given(st.lists(run_configs, min_size=2, max_size=20), st.data())
def test_stopping_some_runs_changes_no_others(stack, data):
    stop_at = data.draw(st.dictionaries(st.integers(0, len(stack) - 1), st.integers(1, 12)))
    together = trained(start(*stack), chunk_steps=1, stop_at=stop_at)
    for i, (config, found) in enumerate(zip(stack, together, strict=True)):
        expected = alone(config)
        if i not in stop_at:
            assert found == expected
        else:
            num_steps = min(stop_at[i], config.train.steps)
            assert found[0] == expected[0][: 4 * num_steps]


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_in_every_shape_a_run_is_the_same_in_any_lane_and_chunk(shape, dropout):
    stack = [
        configs(ODD_SHAPES[shape], OPTIMIZERS[i % len(OPTIMIZERS)], 6 + i % 3, i, dropout=dropout)
        for i in range(20)
    ]
    forwards = trained(start(*stack), chunk_steps=4)
    backwards = trained(start(*stack[::-1]), chunk_steps=1, threads=2)[::-1]
    assert forwards == backwards
    assert forwards[7] == trained(start(stack[7]))[0]


def test_neighbours_that_turn_nan_leave_a_run_alone():
    good = configs({}, OPTIMIZERS[5], 30, 0)
    bad = [configs({}, {"name": "sgd", "lr": 10.0**i}, 30, i) for i in range(2, 7)]
    found = trained(start(*bad, good, *bad))
    assert np.isnan(np.frombuffer(found[0][0], np.float32)).any()
    assert found[5] == alone(good)


def test_the_four_hundred_steps_of_a_stack_of_copies_are_all_the_same():
    config = configs({}, OPTIMIZERS[0], 400, 0)
    found = trained(start(*[config] * 33))
    assert all(one == found[0] for one in found)
