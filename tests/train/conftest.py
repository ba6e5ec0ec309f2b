import pytest


@pytest.fixture(autouse=True)
def _every_test_leaves_the_process_as_it_was(process_as_torch_left_it) -> None:
    pass
