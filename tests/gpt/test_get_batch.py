import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.gpt.batch import get_batch
from harness.gpt.seed import set_seed

CYCLE = torch.tensor([0, 1, 2, 3] * 64)


def chapters_get_batch(data: torch.Tensor, batch_size: int, seq_len: int):
    """The sampler as section 14.3 prints it."""
    ix = torch.randint(0, len(data) - seq_len - 1, (batch_size,))
    x = torch.stack([data[i : i + seq_len] for i in ix])
    y = torch.stack([data[i + 1 : i + seq_len + 1] for i in ix])
    return x, y


def test_experiment_27_prints_its_batch() -> None:
    set_seed(42)
    x, y = get_batch(CYCLE, batch_size=4, seq_len=8)
    assert (tuple(x.shape), tuple(y.shape)) == ((4, 8), (4, 8))
    assert x[0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert y[0].tolist() == [1, 2, 3, 0, 1, 2, 3, 0]
    assert torch.equal(y, (x + 1) % 4)


@given(
    seed=st.integers(0, 2**31),
    batch_size=st.integers(1, 9),
    seq_len=st.integers(1, 9),
    extra=st.integers(2, 40),
)
def test_batches_and_draws_are_those_of_the_chapter(
    seed: int, batch_size: int, seq_len: int, extra: int
) -> None:
    data = torch.arange(seq_len + extra)
    set_seed(seed)
    expected, after = chapters_get_batch(data, batch_size, seq_len), torch.get_rng_state()
    set_seed(seed)
    batch = get_batch(data, batch_size, seq_len)
    assert torch.equal(torch.get_rng_state(), after)
    generated = get_batch(data, batch_size, seq_len, torch.Generator().manual_seed(seed))
    for x, y, z in zip(expected, batch, generated, strict=True):
        assert torch.equal(x, y)
        assert torch.equal(x, z)


def test_a_generator_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    get_batch(CYCLE, 4, 8, torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_every_integer_type_gives_the_same_long_batches(dtype: torch.dtype) -> None:
    x, y = get_batch(CYCLE.to(dtype), 4, 8, torch.Generator().manual_seed(1))
    expected = get_batch(CYCLE, 4, 8, torch.Generator().manual_seed(1))
    assert x.dtype == y.dtype == torch.long
    assert torch.equal(x, expected[0])
    assert torch.equal(y, expected[1])


def test_memory_mapped_data_gives_the_same_batches(tmp_path: Path) -> None:
    (tmp_path / "ids").write_bytes(bytes([0, 1, 2, 3] * 64))
    mapped = torch.from_file(str(tmp_path / "ids"), shared=False, size=256, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, _ = get_batch(mapped, 4, 8, torch.Generator().manual_seed(1))
    assert torch.equal(x, get_batch(CYCLE, 4, 8, torch.Generator().manual_seed(1))[0])


def test_the_largest_start_leaves_room_for_the_targets() -> None:
    """Exercise 14.8.1, and that the bound is one stricter than it need be."""
    data, seq_len = torch.arange(12), 8
    starts = {int(get_batch(data, 1, seq_len)[0][0, 0]) for _ in range(200)}
    assert starts == set(range(len(data) - seq_len - 1))
    assert max(starts) + seq_len + 1 == len(data) - 1


def test_with_a_bound_two_larger_the_targets_would_run_out() -> None:
    """Exercise 14.8.1: `len - T` is the last bound whose slices are all whole."""
    data, seq_len = torch.arange(12), 8
    whole = [len(data[i + 1 : i + seq_len + 1]) for i in range(len(data) - seq_len)]
    assert set(whole) == {seq_len}
    i = len(data) - seq_len
    assert len(data[i + 1 : i + seq_len + 1]) == seq_len - 1


def test_data_that_is_too_short_is_an_error() -> None:
    get_batch(torch.arange(10), 1, 8)
    with pytest.raises(ValueError, match=r"at least seq_len \+ 2 = 10 tokens, got 9"):
        get_batch(torch.arange(9), 1, 8)


@pytest.mark.parametrize(("batch_size", "seq_len"), [(0, 8), (4, 0), (-1, 8)])
def test_sizes_below_one_are_an_error(batch_size: int, seq_len: int) -> None:
    with pytest.raises(ValueError, match="batch_size and seq_len must be at least 1, got"):
        get_batch(CYCLE, batch_size, seq_len)
