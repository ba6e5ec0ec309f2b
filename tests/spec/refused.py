"""Reads the single mistake of a section, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from harness.spec.wording import Location


def mistakes(read: Callable[[], Any]) -> list[tuple[Location, str]]:
    """Where and what, for every error that `read` raises; union tags stay in the locations."""
    with pytest.raises(ValidationError) as caught:
        read()
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def mistake(read: Callable[[], Any]) -> tuple[Location, str]:
    """The one error that `read` raises."""
    found = mistakes(read)
    assert len(found) == 1, found
    return found[0]
