from __future__ import annotations

import pytest

from harness.spec.reductions import reduced


@pytest.mark.parametrize(
    ("by", "value"), [("mean", 3.0), ("median", 2.0), ("min", 1.0), ("max", 6)]
)
def test_values_become_one(by, value):
    assert reduced([1.0, 6.0, 2.0], by) == value
