"""exp, log, erf on vectors, to under 1 ulp, for every float32 that there is.

The processor has no such instructions, and a call of the C library per lane would take longer
than all the rest of a training step. Each function is brought to a short interval by steps that
are exact or nearly so, and is a polynomial there; the coefficients are minimax ones, computed by
`tools/fit_functions.py` (Remez's algorithm in 60 digits), and each constant below is followed by
what the fit leaves: the largest error of the polynomial itself, relative to the result.

Guarantees, tested over the whole ranges: errors under 1 ulp (the distance between neighbouring
float32); NaN gives NaN; infinities, zeros, subnormal numbers, and the places where exp overflows
and underflows come out as the C standard has them. Only written operations happen: fast-math
would cancel `(x + ROUNDING) - ROUNDING`, which is how exp rounds to a whole number.
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

EXP_LOWEST, EXP_HIGHEST = -104.0, 89.0  # beyond, exp is 0 and infinity
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
ERF_NEAR = (  # 2^-29.4
    0.12837916612625122, -0.3761262595653534, 0.11283578723669052, -0.026853347197175026,
    0.005187162198126316, -0.0007997853099368513, 7.806903886375949e-05,
)
ERF_FAR = (  # 2^-31.0
    0.42758357524871826, -0.27321183681488037, 0.15436679124832153, -0.07917993515729904,
    0.03734550625085831, -0.01604834571480751, 0.005963924806565046, -0.0017182325245812535,
    0.00032248193747363985, -2.8277132514631376e-05,
)
# fmt: on

SQRT_HALF_BITS = 0x3F3504F3
MANTISSA = 0x007FFFFF
SMALLEST_NORMAL = 1.1754943508222875e-38


@inlined
def exp(x: Vector) -> Vector:
    """e^x, as 2^n e^r with a whole n and |r| <= log(2) / 2."""
    x = where_less(x, splat(EXP_LOWEST), splat(EXP_LOWEST), x)  # a NaN stays: it is not less
    x = where_less(splat(EXP_HIGHEST), x, splat(EXP_HIGHEST), x)
    shifted = fma(x, splat(LOG2_E), splat(ROUNDING))
    y = _exp_of_rest(x, shifted)
    # 2^n in two factors: 2^128 and 2^-149 are no float32's scale, their halves are.
    n = bits(shifted) - bits(splat(ROUNDING))
    half = n >> int_splat(1)
    return y * _power_of_two(half) * _power_of_two(n - half)


@inlined
def exp_of_minus_square(x: Vector) -> Vector:
    """e^(-x^2), with one factor for 2^n, as it stays at 2e-35 where it would be less."""
    falling = splat(0.0) - x * x
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
def erf(x: Vector) -> Vector:
    """The error function."""
    return erf_given(x, exp_of_minus_square(x))


@inlined
def erf_given(x: Vector, e: Vector) -> Vector:
    """erf(x) where e = exp(-x^2) is known, as in GELU, whose gradient needs both.

    x + x p(x^2) up to |x| = 1, and 1 - e t(|x| - 1) beyond.
    """
    size = magnitude(x)
    z = x * x
    p = fma(z, splat(ERF_NEAR[6]), splat(ERF_NEAR[5]))
    p = fma(z, p, splat(ERF_NEAR[4]))
    p = fma(z, p, splat(ERF_NEAR[3]))
    p = fma(z, p, splat(ERF_NEAR[2]))
    p = fma(z, p, splat(ERF_NEAR[1]))
    p = fma(z, p, splat(ERF_NEAR[0]))
    near = fma(x, p, x)
    s = where_less(splat(4.0), size, splat(4.0), size) - splat(1.0)  # at 4 erf has become 1
    t = fma(s, splat(ERF_FAR[9]), splat(ERF_FAR[8]))
    t = fma(s, t, splat(ERF_FAR[7]))
    t = fma(s, t, splat(ERF_FAR[6]))
    t = fma(s, t, splat(ERF_FAR[5]))
    t = fma(s, t, splat(ERF_FAR[4]))
    t = fma(s, t, splat(ERF_FAR[3]))
    t = fma(s, t, splat(ERF_FAR[2]))
    t = fma(s, t, splat(ERF_FAR[1]))
    t = fma(s, t, splat(ERF_FAR[0]))
    positive = splat(1.0) - e * t
    far = where_less(x, splat(0.0), splat(0.0) - positive, positive)
    return where_less(splat(1.0), size, far, near)
