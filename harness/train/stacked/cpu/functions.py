"""exp up to 0, log and the normal distribution on vectors.

The processor has no such instructions, and a call of the C library per lane would take longer
than all the rest of a training step. Each function is brought to a short interval by steps that
are exact or nearly so, and is a polynomial there; the coefficients are minimax ones, computed by
`tools/fit_functions.py` (Remez's algorithm in 60 digits), and each constant below is followed by
what the fit leaves: the largest error of the polynomial itself, relative to the result.

Guarantees, tested over the whole ranges: errors of exp, where it is not 0, and log under 1 ulp (the
distance between neighbouring float32), of the normal distribution under 1 ulp of 1, as torch's
0.5 (1 + erf) has; NaN gives NaN; infinities, zeros and subnormal numbers as arguments come out as
the C standard has them. exp is what softmax needs: never of more than 0, and a weight of less than
1.6e-38 may be 0 (a quarter of the time goes into the ends of the range otherwise). Only written
operations happen: fast-math would cancel `(x + ROUNDING) - ROUNDING`, which is how exp rounds to a
whole number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.train.stacked.cpu.compiling import inlined
from harness.train.stacked.cpu.vector import (
    bits,
    fma,
    from_bits,
    int_splat,
    magnitude,
    splat,
    to_float,
    where_less,
)

if TYPE_CHECKING:
    from harness.train.stacked.cpu.vector import IntVector, Vector

LOG2_E = 1.4426950408889634
ROUNDING = 12582912.0  # 1.5 * 2^23: floats round it have a last place of 1
# log(2) in two parts; the first has 9 zero bits at its end, so that n * LN2_HIGH is exact.
LN2_HIGH = 0.693145751953125
LN2_LOW = 1.428606765330187e-06

EXP_LOWEST = -87.0  # 1.6e-38; results below 1.2e-38 would be subnormal
# fmt: off
EXP = (  # 2^-28.0
    0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.008368716575205326,
    0.0013814608100801706,
)
LOG = (  # 2^-28.2
    0.3333331346511841, -0.25000008940696716, 0.2000211924314499, -0.16667994856834412,
    0.14219553768634796, -0.12405602633953094, 0.11888161301612854, -0.11675573885440826,
    0.06746547669172287,
)
TAIL = (  # 2^-27.2, absolute
    0.5, -0.3989419937133789, 0.2499934285879135, -0.13292844593524933, 0.062292858958244324,
    -0.026117118075489998, 0.009707706980407238, -0.0030867592431604862, 0.0007933222805149853,
    -0.00015367513697128743, 2.0587107428582385e-05, -1.6741479385018465e-06,
    6.162829890854482e-08,
)
# fmt: on

SQRT_HALF_BITS = 0x3F3504F3
MANTISSA = 0x007FFFFF
SMALLEST_NORMAL = 1.1754943508222875e-38


@inlined
def exp_up_to_0(x: Vector) -> Vector:
    """e^x for x <= 0, as 2^n e^r with a whole n and |r| <= log(2) / 2; 0 below `EXP_LOWEST`."""
    shifted = fma(x, splat(LOG2_E), splat(ROUNDING))
    n = bits(shifted) - bits(splat(ROUNDING))
    y = _exp_of_rest(x, shifted) * _power_of_two(n)
    return where_less(x, splat(EXP_LOWEST), splat(0.0), y)  # a NaN stays: it is not less


@inlined
def exp_of_minus_half_square(x: Vector) -> Vector:
    """e^(-x^2 / 2), with one factor for 2^n, as it stays at 2e-35 where it would be less."""
    falling = x * x * splat(-0.5)
    falling = where_less(falling, splat(-80.0), splat(-80.0), falling)
    shifted = fma(falling, splat(LOG2_E), splat(ROUNDING))
    n = bits(shifted) - bits(splat(ROUNDING))
    return _exp_of_rest(falling, shifted) * _power_of_two(n)


@inlined
def _exp_of_rest(x: Vector, shifted: Vector) -> Vector:
    """e^r = 1 + r + r^2 q(r) for the r = x - n log(2) of `shifted` = n + ROUNDING."""
    n = shifted - splat(ROUNDING)
    r = fma(n, splat(-LN2_LOW), fma(n, splat(-LN2_HIGH), x))
    q = fma(r, splat(EXP[4]), splat(EXP[3]))
    q = fma(r, q, splat(EXP[2]))
    q = fma(r, q, splat(EXP[1]))
    q = fma(r, q, splat(EXP[0]))
    return fma(r * r, q, r) + splat(1.0)


@inlined
def _power_of_two(n: IntVector) -> Vector:
    """2^n for whole n from -126 to 127, written into the exponent's bits."""
    return from_bits((n + int_splat(127)) << int_splat(23))


@inlined
def log(x: Vector) -> Vector:
    """The natural logarithm: n log(2) + log(1 + f) with x = 2^n (1 + f), 1 + f about 1."""
    subnormal = splat(SMALLEST_NORMAL)
    scaled = where_less(x, subnormal, x * splat(8388608.0), x)  # by 2^23
    below = where_less(x, subnormal, splat(23.0), splat(0.0))
    # Counted from sqrt(1/2), the exponent is n and the mantissa that of 1 + f.
    offset = bits(scaled) - int_splat(SQRT_HALF_BITS)
    n = to_float(offset >> int_splat(23)) - below
    f = from_bits((offset & int_splat(MANTISSA)) + int_splat(SQRT_HALF_BITS)) - splat(1.0)
    q = fma(f, splat(LOG[8]), splat(LOG[7]))
    q = fma(f, q, splat(LOG[6]))
    q = fma(f, q, splat(LOG[5]))
    q = fma(f, q, splat(LOG[4]))
    q = fma(f, q, splat(LOG[3]))
    q = fma(f, q, splat(LOG[2]))
    q = fma(f, q, splat(LOG[1]))
    q = fma(f, q, splat(LOG[0]))
    square = f * f
    rest = fma(square, f * q - splat(0.5), n * splat(LN2_LOW))
    y = n * splat(LN2_HIGH) + (f + rest)
    return _log_at_the_ends(x, y)


@inlined
def _log_at_the_ends(x: Vector, y: Vector) -> Vector:
    """y = log(x), put right where x is not a positive number."""
    zero, infinity = splat(0.0), splat(float("inf"))
    y = where_less(x, infinity, y, x)  # infinity's is infinity
    zero_or_nan = x - infinity
    return where_less(zero, x, y, where_less(x, zero, splat(float("nan")), zero_or_nan))


@inlined
def normal_cdf(x: Vector, e: Vector) -> Vector:
    """The standard normal distribution function at x, where e = exp(-x^2 / 2) is known.

    It is (1 + erf(x / sqrt(2))) / 2; e t(|x|) is what lies beyond |x|. At 5 that is 3e-7, and t is
    kept there from then on.
    """
    size = magnitude(x)
    a = where_less(splat(5.0), size, splat(5.0), size)
    t = fma(a, splat(TAIL[12]), splat(TAIL[11]))
    t = fma(a, t, splat(TAIL[10]))
    t = fma(a, t, splat(TAIL[9]))
    t = fma(a, t, splat(TAIL[8]))
    t = fma(a, t, splat(TAIL[7]))
    t = fma(a, t, splat(TAIL[6]))
    t = fma(a, t, splat(TAIL[5]))
    t = fma(a, t, splat(TAIL[4]))
    t = fma(a, t, splat(TAIL[3]))
    t = fma(a, t, splat(TAIL[2]))
    t = fma(a, t, splat(TAIL[1]))
    t = fma(a, t, splat(TAIL[0]))
    return where_less(x, splat(0.0), e * t, fma(splat(0.0) - e, t, splat(1.0)))
