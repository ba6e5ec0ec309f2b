import pytest
import torch


@pytest.fixture(autouse=True)
def process_as_torch_left_it():
    """Digits are those of one thread; threads and random state are put back after each test."""
    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(generator)
