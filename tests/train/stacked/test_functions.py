"""exp up to 0, log and the normal distribution, by it erf, against float64.

Errors are in ulp: the distance of neighbouring float32 at the result.
"""

import numpy as np
import pytest
import torch
from numba import njit

from harness.train.stacked.cpu import functions
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import W

SUBNORMAL = np.float32(1e-45)
HUGE = np.finfo(np.float32).max


def vectorised(function):
    @njit
    def over(x, y):
        for row in range(len(x)):
            store(y, row, function(load(x, row)))

    def call(values):
        x = np.zeros(-(-len(values) // W) * W, np.float32)
        x[: len(values)] = values
        y = np.empty_like(x)
        over(x.reshape(-1, W), y.reshape(-1, W))
        return y[: len(values)]

    return call


@njit
def normal_cdf(x):
    return functions.normal_cdf(x, functions.exp_of_minus_half_square(x))


CALLS = {
    "exp_up_to_0": vectorised(functions.exp_up_to_0),
    "log": vectorised(functions.log),
    "normal_cdf": vectorised(normal_cdf),
    "exp_of_minus_half_square": vectorised(functions.exp_of_minus_half_square),
}
IN_FLOAT64 = {"exp_up_to_0": torch.exp, "log": torch.log}
ULP_OF_1 = 2.0**-23


def every_nth_float(low, high, count):
    """Floats of both signs' bit patterns, evenly spread over the patterns: all magnitudes."""
    bits = np.linspace(low, high, count).astype(np.int64).astype(np.uint32)
    return bits.view(np.float32)


def ulps(name, x):
    with np.errstate(all="ignore"):
        exact = IN_FLOAT64[name](torch.from_numpy(x.astype(np.float64))).numpy()
        rounded = np.abs(exact).astype(np.float32)
        ulp = np.maximum(np.spacing(np.minimum(rounded, HUGE)).astype(np.float64), 2.0**-149)
        ours = CALLS[name](x).astype(np.float64)
        inside = np.isfinite(rounded)
    # Where the exact value rounds to infinity, ours is infinity, or the last number before.
    assert (np.isfinite(ours) == inside)[np.abs(exact) != rounded.max()].all()
    return np.abs(ours[inside] - exact[inside]) / ulp[inside]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("exp_up_to_0", -87.0, 0.0),
        ("exp_up_to_0", -1.0, 0.0),
        ("log", 0.5, 2.0),
        ("log", 0.9, 1.1),
    ],
)
def test_errors_are_under_one_ulp_where_the_function_changes(name, low, high):
    x = np.linspace(low, high, 3_000_000).astype(np.float32)
    assert ulps(name, x).max() < 1.0


def test_errors_are_under_one_ulp_at_all_magnitudes():
    positive = every_nth_float(1, 0x7F7FFFFF, 4_000_000)
    assert ulps("log", positive).max() < 1.0
    assert ulps("exp_up_to_0", -positive[positive <= 87]).max() < 1.0


def test_exp_is_zero_where_it_is_below_every_normal_float():
    x = every_nth_float(1, 0x7F7FFFFF, 4_000_000)
    np.testing.assert_array_equal(CALLS["exp_up_to_0"](-x[x > 87]), 0.0)


WIDE = np.concatenate(
    [np.linspace(-14, 14, 3_000_000), every_nth_float(1, 0x7F7FFFFF, 500_000)]
).astype(np.float32)


def test_the_normal_distribution_errs_under_one_ulp_of_1_and_erf_by_it_under_two():
    # erf(z) = 2 cdf(sqrt(2) z) - 1
    exact = torch.special.ndtr(torch.from_numpy(WIDE.astype(np.float64))).numpy()
    errors = np.abs(CALLS["normal_cdf"](WIDE).astype(np.float64) - exact)
    assert errors.max() < 0.75 * ULP_OF_1


def test_the_tails_of_the_normal_distribution_are_at_least_zero_and_small():
    x = np.linspace(-40, -5, 1_000_000).astype(np.float32)
    tail = CALLS["normal_cdf"](x)
    assert (tail >= 0).all()
    assert tail.max() < 3e-7
    np.testing.assert_array_equal(CALLS["normal_cdf"](-x), np.float32(1) - tail)


def test_exp_of_minus_half_a_square_errs_under_one_ulp_of_1():
    exact = np.exp(-0.5 * WIDE.astype(np.float64) ** 2)
    errors = np.abs(CALLS["exp_of_minus_half_square"](WIDE).astype(np.float64) - exact)
    assert errors.max() < ULP_OF_1


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("exp_up_to_0", np.nan, np.nan),
        ("exp_up_to_0", -np.inf, 0.0),
        ("exp_up_to_0", 0.0, 1.0),
        ("exp_up_to_0", -0.0, 1.0),
        ("exp_up_to_0", -SUBNORMAL, 1.0),
        ("exp_up_to_0", -HUGE, 0.0),
        ("exp_up_to_0", -87.0, 1.6458115e-38),
        ("exp_up_to_0", -87.00001, 0.0),
        ("log", np.nan, np.nan),
        ("log", np.inf, np.inf),
        ("log", -np.inf, np.nan),
        ("log", -1.0, np.nan),
        ("log", -SUBNORMAL, np.nan),
        ("log", 0.0, -np.inf),
        ("log", -0.0, -np.inf),
        ("log", 1.0, 0.0),
        ("log", SUBNORMAL, -103.27893),
        ("log", HUGE, 88.72284),
        ("normal_cdf", np.nan, np.nan),
        ("normal_cdf", np.inf, 1.0),
        ("normal_cdf", HUGE, 1.0),
        ("normal_cdf", 6.0, 1.0),
        ("normal_cdf", 0.0, 0.5),
        ("normal_cdf", -0.0, 0.5),
        ("normal_cdf", SUBNORMAL, 0.5),
        ("normal_cdf", -SUBNORMAL, 0.5),
        ("exp_of_minus_half_square", np.nan, np.nan),
        ("exp_of_minus_half_square", 0.0, 1.0),
        ("exp_of_minus_half_square", SUBNORMAL, 1.0),
    ],
)
def test_the_ends_of_the_ranges(name, x, y):
    found = CALLS[name](np.array([x], np.float32))[0]
    np.testing.assert_array_equal(found, np.float32(y))
    assert np.signbit(found) == np.signbit(np.float32(y)) or np.isnan(y)


def test_a_lane_does_not_depend_on_its_neighbours():
    x = np.linspace(-3, 3, W).astype(np.float32)
    for name, call in CALLS.items():
        together = call(x)
        alone = np.array([call(np.full(W, value, np.float32))[0] for value in x])
        np.testing.assert_array_equal(together, alone, err_msg=name)
