import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.gpt.model import GPT
from harness.gpt.seed import set_seed
from harness.train.stacked.layout import Shape, num_weights, weight_shapes
from harness.train.stacked.weights import initial_weights


@given(
    st.integers(1, 70),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(0, 2**63 - 1),
)
def test_first_weights_are_the_modules_to_the_bit(V, head_size, H, N, S, seed):
    shape = Shape(V, head_size * H, H, N, S, 1, 1)
    set_seed(seed)
    model = GPT(V, head_size * H, H, N, S)
    expected = torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()
    assert initial_weights(shape, seed).tobytes() == expected.tobytes()
    assert [tuple(p.shape) for p in model.parameters()] == weight_shapes(shape)
    assert num_weights(shape) == model.num_parameters() == len(expected)


@pytest.mark.parametrize("C", [16, 24, 32, 48, 64, 96, 100])
def test_first_weights_are_the_modules_in_wider_models(C):
    set_seed(7)
    model = GPT(65, C, 4, 2, 64)
    expected = torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()
    np.testing.assert_array_equal(initial_weights(Shape(65, C, 4, 2, 64, 1, 1), 7), expected)


def test_drawing_leaves_torchs_global_state_alone():
    before = torch.get_rng_state()
    initial_weights(Shape(4, 8, 2, 2, 64, 4, 8), 3)
    assert torch.equal(torch.get_rng_state(), before)
