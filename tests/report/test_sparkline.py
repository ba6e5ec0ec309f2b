"""Curves as one line of text."""

from __future__ import annotations

import math

from harness.report.sparkline import ASCII, sparkline


def test_a_curve_is_drawn_from_its_lowest_to_its_highest_value():
    line = sparkline([8.0, 4.0, 2.0, 1.0], ASCII)
    assert (line.text[0], line.text[-1], line.is_log) == ("#", "_", True)
    assert sparkline([-1.0, 0.0, 1.0], ASCII).is_log is False


def test_a_long_curve_is_as_wide_as_allowed_and_a_short_one_as_it_is():
    assert len(sparkline([float(i) for i in range(1, 1000)], width=60).text) == 60
    assert len(sparkline([1.0, 2.0], width=60).text) == 2


def test_what_is_constant_or_not_finite_is_drawn_too():
    assert sparkline([3.0, 3.0], ASCII).text == "__"
    assert sparkline([1.0, math.nan, math.inf, 2.0], ASCII).text == "_#"
    assert sparkline([], ASCII).text == sparkline([math.nan], ASCII).text == ""
