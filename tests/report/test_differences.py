"""Against scipy, and against counting."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.report.differences import paired_difference, permutation_p, welch_difference
from harness.report.statistics import bootstrap_interval, t_interval

VALUE = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
PAIRS = st.lists(st.tuples(VALUE, VALUE), min_size=2, max_size=12)


@given(PAIRS)
def test_paired_is_scipys_paired_t_test(pairs):
    a, b = zip(*pairs, strict=True)
    differences = [x - y for x, y in pairs]
    assume(statistics.stdev(differences) > 1e-6)
    found, expected = paired_difference(a, b), scipy.stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert (found.n, found.paired) == (len(pairs), True)
    assert found.mean == pytest.approx(statistics.fmean(differences))
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.effect == pytest.approx(found.mean / statistics.stdev(differences))


@given(st.lists(VALUE, min_size=2, max_size=9), st.lists(VALUE, min_size=2, max_size=9))
def test_strangers_are_compared_by_welchs_test(a, b):
    assume(statistics.stdev(a) > 1e-6 and statistics.stdev(b) > 1e-6)
    found, expected = welch_difference(a, b), scipy.stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (found.n, found.paired) == (min(len(a), len(b)), False)
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert math.isnan(found.p_permutation)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=9))
def test_the_permutation_test_counts_all_signings(differences):
    seen = abs(sum(differences))
    signings = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in signings]
    expected = sum(each >= seen for each in sums) / len(sums)
    assert permutation_p([float(d) for d in differences]) == expected


def test_of_many_seeds_signings_are_drawn():
    values = list(np.random.default_rng(1).normal(0.5, 1.0, 30))
    exact = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=50_000, rng=2
    ).pvalue
    assert permutation_p(values) == pytest.approx(exact, abs=0.005)
    assert permutation_p(values) == permutation_p(values)


def test_one_pair_has_a_difference_and_nothing_more():
    found = paired_difference([1.0], [3.0])
    assert (found.n, found.mean, found.more) == (1, -2.0, None)
    assert math.isnan(found.low)
    assert not found.is_clear


@given(PAIRS)
def test_so_many_seeds_more_would_do_and_one_less_would_not(pairs):
    a, b = zip(*pairs, strict=True)
    found = paired_difference(a, b)
    assume(found.more is not None)
    spread = statistics.stdev(x - y for x, y in pairs)

    def half_width(n: int) -> float:
        return scipy.stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n)

    assert half_width(found.n + found.more) <= abs(found.mean) * (1 + 1e-9)
    if found.more == 0:
        assert found.is_clear or abs(found.mean) == pytest.approx(half_width(found.n))
    else:
        assert half_width(found.n + found.more - 1) >= abs(found.mean) * (1 - 1e-9)


SIDE = st.lists(VALUE, min_size=2, max_size=9)


@given(SIDE, SIDE)
def test_of_strangers_too_none_more_is_needed_where_the_interval_leaves_out_0(a, b):
    found = welch_difference(a, b)
    assert (found.more == 0) == found.is_clear


@given(SIDE, SIDE)
def test_of_strangers_so_many_more_a_side_would_do_and_one_less_would_not(a, b):
    found = welch_difference(a, b)
    assume(found.more)

    def half_width(more: int) -> float:
        sides = [(statistics.variance(side), len(side) + more) for side in (a, b)]
        (v, n), (w, m) = sides
        error = v / n + w / m
        degrees = error**2 / ((v / n) ** 2 / (n - 1) + (w / m) ** 2 / (m - 1))
        return scipy.stats.t.ppf(0.975, degrees) * math.sqrt(error)

    assert half_width(found.more) <= abs(found.mean) * (1 + 1e-9)
    assert half_width(found.more - 1) >= abs(found.mean) * (1 - 1e-9)


def test_where_every_seed_differs_by_the_same_it_is_certain():
    found = paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert (found.low, found.high, found.p, found.effect, found.more) == (1, 1, 0, math.inf, 0)
    same = paired_difference([2.0, 3.0], [2.0, 3.0])
    assert (same.mean, same.p, same.p_permutation, same.effect, same.more) == (0, 1, 1, 0, None)


def test_the_bootstrap_is_scipys_and_the_same_each_time():
    values = [1.0, 1.2, 0.9, 1.7, 1.1, 1.3]
    found = bootstrap_interval(values)
    assert found == bootstrap_interval(values)
    assert found.low < found.mean == statistics.fmean(values) < found.high
    assert t_interval(values).low < found.low
    assert bootstrap_interval([2.0, 2.0]).high == 2.0
    assert math.isnan(bootstrap_interval([2.0]).high)
