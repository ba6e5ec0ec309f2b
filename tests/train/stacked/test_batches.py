import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.gpt.batch import get_batch
from harness.train.stacked.batches import Windows
from harness.train.stacked.layout import Shape


@given(
    st.integers(1, 20),
    st.integers(1, 12),
    st.integers(0, 300) | st.just(2**31 - 20),
    st.lists(st.tuples(st.integers(1, 9) | st.just(700), st.booleans()), min_size=1, max_size=5),
    st.integers(0, 2**63 - 1),
)
def test_starts_are_those_that_get_batch_draws_whatever_the_chunks(B, T, more, chunks, seed):
    num_tokens, shape = T + 2 + more, Shape(4, 8, 2, 2, T, B, T)
    theirs = torch.Generator().manual_seed(seed)
    windows = Windows(torch.Generator().manual_seed(seed), num_tokens, shape)
    for num_steps, look in chunks:
        for starts in windows.take(num_steps):
            expected = torch.randint(0, num_tokens - T - 1, (B,), generator=theirs)
            assert starts.tolist() == expected.tolist()
        if look:
            assert torch.equal(windows.generator().get_state(), theirs.get_state())


def test_starts_are_the_first_tokens_of_the_batches():
    data, shape = torch.arange(500), Shape(500, 8, 2, 2, 6, 5, 6)
    starts = Windows(torch.Generator().manual_seed(3), 500, shape).take(4)
    generator = torch.Generator().manual_seed(3)
    for row in starts:
        x, _ = get_batch(data, 5, 6, generator)
        assert x[:, 0].tolist() == row.tolist()
