from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError


def _refused(read: Callable[[], Any], match: str, at: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError, match=match) as caught:
        read()
    errors = caught.value.errors()
    assert [error["loc"] for error in errors] == [at]


@pytest.fixture
def refused() -> Callable[[Callable[[], Any], str, tuple[str | int, ...]], None]:
    """Asserts that a call finds exactly one mistake, told so and located there.

    The tags that pydantic puts into the locations of tagged unions (a sampler's name) stay in.
    """
    return _refused
