"""A vector of 16 numbers, one of each of 16 runs, as a type that compiled code computes with.

A processor adds or multiplies 16 numbers as fast as one when they fill one of its vector
registers. The engine gives each of up to 16 runs one place, a *lane*, and writes the whole
training step for a `Vector` instead of a number: 16 runs then take the time of one. numba has no
such type and rarely finds vectors by itself, so this module adds it: a numba type whose LLVM form
is `<16 x float>`, the operators + - * /, and the functions below. Each becomes one instruction
where the processor has AVX-512, two with AVX2, four with SSE or NEON.

`Vector` (16 numbers of 32 bits) and `IntVector` (16 whole numbers of 32 bits, for exponents and
for the rows of tables) exist only inside compiled code; `rows.py` brings them from memory and back.

Guarantees: nothing here moves a number from one lane to another, so what a lane computes cannot
depend on its neighbours; every operation is IEEE 754's, rounded once; `fma` is always fused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model

W = 16
"""Lanes of a vector."""

FLOATS = ir.VectorType(ir.FloatType(), W)
INT = ir.IntType(32)
INTS = ir.VectorType(INT, W)


class VectorType(types.Type):
    """numba's name for `Vector`."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{W}")


class IntVectorType(types.Type):
    """numba's name for `IntVector`."""

    def __init__(self) -> None:
        super().__init__(name=f"int32x{W}")


VECTOR = VectorType()
INT_VECTOR = IntVectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, form: Any) -> None:
        super().__init__(manager, form, FLOATS)


@register_model(IntVectorType)
class _IntVectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, form: Any) -> None:
        super().__init__(manager, form, INTS)


if TYPE_CHECKING:

    class Vector:
        """16 float32 in compiled code; nothing to Python."""

        def __add__(self, other: Vector) -> Vector: ...
        def __sub__(self, other: Vector) -> Vector: ...
        def __mul__(self, other: Vector) -> Vector: ...
        def __truediv__(self, other: Vector) -> Vector: ...

    class IntVector:
        """16 int32 in compiled code; sums and products wrap, and >> keeps the sign."""

        def __add__(self, other: IntVector) -> IntVector: ...
        def __sub__(self, other: IntVector) -> IntVector: ...
        def __mul__(self, other: IntVector) -> IntVector: ...
        def __and__(self, other: IntVector) -> IntVector: ...
        def __lshift__(self, other: IntVector) -> IntVector: ...
        def __rshift__(self, other: IntVector) -> IntVector: ...


# An `Emit` writes LLVM instructions for operands that LLVM holds, and returns the result's name.
Emit = Callable[..., Any]


def _operation(result: Any, operands: tuple[Any, ...], emit: Emit) -> Any:
    """An intrinsic of numba from vectors to a vector: `emit(builder, *operands)`."""

    def typed(*found: Any) -> Any:
        if found != operands:
            return None  # numba's way to say: not for these types

        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return emit(builder, *values)

        return result(*operands), generate

    # numba reads how many operands there are from the signature.
    if len(operands) == 1:
        return intrinsic(lambda _context, a: typed(a))
    if len(operands) == 2:
        return intrinsic(lambda _context, a, b: typed(a, b))
    if len(operands) == 3:
        return intrinsic(lambda _context, a, b, c: typed(a, b, c))
    return intrinsic(lambda _context, a, b, c, d: typed(a, b, c, d))


def _operator(symbol: Callable[..., Any], kind: Any, instruction: str) -> None:
    """Give two vectors of `kind` the Python operator `symbol`."""
    apply = _operation(kind, (kind, kind), lambda b, x, y: getattr(b, instruction)(x, y))

    def implementation(x, y):  # type: ignore[no-untyped-def]  # numba compares it with the lambda
        if x is kind and y is kind:
            return lambda x, y: apply(x, y)
        return None

    overload(symbol)(implementation)


_operator(operator.add, VECTOR, "fadd")
_operator(operator.sub, VECTOR, "fsub")
_operator(operator.mul, VECTOR, "fmul")
_operator(operator.truediv, VECTOR, "fdiv")
_operator(operator.add, INT_VECTOR, "add")
_operator(operator.sub, INT_VECTOR, "sub")
_operator(operator.mul, INT_VECTOR, "mul")
_operator(operator.and_, INT_VECTOR, "and_")
_operator(operator.lshift, INT_VECTOR, "shl")
_operator(operator.rshift, INT_VECTOR, "ashr")


def _function(name: str, num_operands: int) -> Emit:
    """LLVM's own function `name` on vectors."""

    def emit(builder: Any, *operands: Any) -> Any:
        form = ir.FunctionType(FLOATS, [FLOATS] * num_operands)
        declared = cgutils.get_or_insert_function(builder.module, form, f"{name}.v{W}f32")
        return builder.call(declared, operands)

    return emit


def _where_less(builder: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), x, y)


fma: Callable[[Vector, Vector, Vector], Vector] = _operation(
    VECTOR, (VECTOR, VECTOR, VECTOR), _function("llvm.fma", 3)
)
"""fma(x, y, z): x * y + z, rounded once."""

sqrt: Callable[[Vector], Vector] = _operation(VECTOR, (VECTOR,), _function("llvm.sqrt", 1))
"""sqrt(x): the correctly rounded square root."""

magnitude: Callable[[Vector], Vector] = _operation(VECTOR, (VECTOR,), _function("llvm.fabs", 1))
"""magnitude(x): |x|."""

where_less: Callable[[Vector, Vector, Vector, Vector], Vector] = _operation(
    VECTOR, (VECTOR, VECTOR, VECTOR, VECTOR), _where_less
)
"""where_less(a, b, x, y): in each lane x where a < b, else y; y too where a or b is NaN."""

bits: Callable[[Vector], IntVector] = _operation(
    INT_VECTOR, (VECTOR,), lambda builder, x: builder.bitcast(x, INTS)
)
"""bits(x): the 32 bits of each float, as an IntVector."""

from_bits: Callable[[IntVector], Vector] = _operation(
    VECTOR, (INT_VECTOR,), lambda builder, x: builder.bitcast(x, FLOATS)
)
"""from_bits(i): the floats of those bits."""

to_float: Callable[[IntVector], Vector] = _operation(
    VECTOR, (INT_VECTOR,), lambda builder, x: builder.sitofp(x, FLOATS)
)
"""to_float(i): the nearest floats to whole numbers."""


def _repeat(builder: Any, number: Any, form: ir.VectorType) -> Any:
    one = builder.insert_element(ir.Constant(form, ir.Undefined), number, ir.Constant(INT, 0))
    order = ir.Constant(ir.VectorType(INT, W), [0] * W)
    return builder.shuffle_vector(one, ir.Constant(form, ir.Undefined), order)


def _splat(_context, number):  # type: ignore[no-untyped-def]
    if not isinstance(number, types.Number):
        return None

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        rounded = context.cast(builder, values[0], signature.args[0], types.float32)
        return _repeat(builder, rounded, FLOATS)

    return VECTOR(plain(number)), generate


splat: Callable[[float], Vector] = intrinsic(_splat)
"""splat(number): the number, rounded to float32, in every lane."""


def _int_splat(_context, number):  # type: ignore[no-untyped-def]
    if not isinstance(number, types.Integer):
        return None

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        whole = context.cast(builder, values[0], signature.args[0], types.int32)
        return _repeat(builder, whole, INTS)

    return INT_VECTOR(plain(number)), generate


int_splat: Callable[[int], IntVector] = intrinsic(_int_splat)
"""int_splat(number): the whole number in every lane."""


def plain(number: Any) -> Any:
    """numba's type of a constant without its value: one version serves all."""
    return getattr(number, "literal_type", number)
