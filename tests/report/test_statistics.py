import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.report.statistics import t_band, t_interval

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@given(VALUES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_is_that_of_students_t(values, confidence):
    found = t_interval(values, confidence)
    mean, error = np.mean(values), scipy.stats.sem(values)
    half = scipy.stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * error
    assert found.n == len(values)
    assert found.mean == pytest.approx(mean, rel=1e-12, abs=1e-6)
    assert found.low == pytest.approx(mean - half, rel=1e-9, abs=1e-5)
    assert found.high == pytest.approx(mean + half, rel=1e-9, abs=1e-5)


def test_a_known_interval_from_the_tables():
    found = t_interval([1.0, 2.0, 3.0, 4.0, 5.0])  # t(4, 0.975) = 2.776445, s = sqrt(2.5)
    half = 2.7764451052 * math.sqrt(2.5) / math.sqrt(5)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), rel=1e-9)


def test_a_single_value_has_a_mean_and_no_interval():
    found = t_interval([2.0])
    assert (found.n, found.mean) == (1, 2.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=8))
def test_a_band_is_the_interval_at_each_step(rows):
    band = t_band([dict(enumerate(row, start=1)) for row in rows])
    for step in (1, 2, 3):
        expected = t_interval([row[step - 1] for row in rows])
        near = {"rel": 1e-9, "abs": 1e-5}
        assert band.mean[step] == pytest.approx(expected.mean, **near)
        assert band.low[step] == pytest.approx(expected.low, **near)
        assert band.high[step] == pytest.approx(expected.high, **near)
