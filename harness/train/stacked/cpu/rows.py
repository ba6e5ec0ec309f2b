"""Vectors in memory: rows of arrays whose last axis is the lane, as all arrays of the engine are.

`load` and `store` move the 16 numbers of one row. `pick` and `put` take the number of each lane
from a row of that lane's own, as embeddings need it: one gather or scatter instruction where the
processor has it (loops over the lanes took three times as long).

Guarantees: a lane's number stays in its lane. Rows are not checked: they must be there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from harness.train.stacked.cpu.vector import FLOATS, INT_VECTOR, INTS, VECTOR, W, plain

if TYPE_CHECKING:
    from harness.train.stacked.cpu.vector import IntVector, Vector

LONG = ir.IntType(64)
LONGS = ir.VectorType(LONG, W)
POINTERS = ir.VectorType(ir.PointerType(), W)
MASK = ir.VectorType(ir.IntType(1), W)
EVERY_LANE = ir.Constant(MASK, [1] * W)
LANE_NUMBERS = ir.Constant(LONGS, list(range(W)))
ALIGN = ir.Constant(ir.IntType(32), 4)


def _has_lanes(array: Any, dtype: Any) -> bool:
    return isinstance(array, types.Array) and array.dtype == dtype and array.layout == "C"


def _data(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    return context.make_array(array_type)(context, builder, array).data


def _row_pointer(context: Any, builder: Any, signature: Any, values: Any, form: Any) -> Any:
    """The address, as that of a `form`, of row `values[1]` of the array `values[0]`."""
    row = context.cast(builder, values[1], signature.args[1], types.intp)
    offset = builder.mul(row, ir.Constant(row.type, W))
    address = builder.gep(_data(context, builder, signature.args[0], values[0]), [offset])
    return builder.bitcast(address, form.as_pointer())


def _lane_pointers(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """The address of each lane's number in its own row of the array `values[0]`."""
    rows = builder.sext(values[1], LONGS)
    offsets = builder.add(builder.mul(rows, ir.Constant(LONGS, [W] * W)), LANE_NUMBERS)
    data = _data(context, builder, signature.args[0], values[0])
    pointers = builder.gep(data, [offsets], source_etype=ir.FloatType())
    pointers.type = POINTERS  # llvmlite takes every address for a single one
    return pointers


def _loading(dtype: Any, vector: Any, form: Any) -> Any:
    def load(_context, array, row):  # type: ignore[no-untyped-def]
        if not (_has_lanes(array, dtype) and isinstance(row, types.Integer)):
            return None

        def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
            pointer = _row_pointer(context, builder, signature, values, form)
            return builder.load(pointer, align=4)

        return vector(array, plain(row)), generate

    return intrinsic(load)


load: Callable[[Any, int], Vector] = _loading(types.float32, VECTOR, FLOATS)
"""load(array, row): row `row` of an array (..., W) float32, rows counted over all axes."""

load_ints: Callable[[Any, int], IntVector] = _loading(types.int32, INT_VECTOR, INTS)
"""load_ints(array, row): row `row` of an array (..., W) int32."""


def _store(_context, array, row, value):  # type: ignore[no-untyped-def]
    if not (_has_lanes(array, types.float32) and isinstance(row, types.Integer)):
        return None
    if value is not VECTOR:
        return None

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        pointer = _row_pointer(context, builder, signature, values, FLOATS)
        builder.store(values[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, plain(row), VECTOR), generate


store: Callable[[Any, int, Vector], Any] = intrinsic(_store)
"""store(array, row, value): write `value` into row `row`."""


def _pick(_context, array, rows):  # type: ignore[no-untyped-def]
    if not (_has_lanes(array, types.float32) and rows is INT_VECTOR):
        return None

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        form = ir.FunctionType(FLOATS, [POINTERS, ir.IntType(32), MASK, FLOATS])
        name = f"llvm.masked.gather.v{W}f32.v{W}p0"
        function = cgutils.get_or_insert_function(builder.module, form, name)
        pointers = _lane_pointers(context, builder, signature, values)
        nothing = ir.Constant(FLOATS, ir.Undefined)
        return builder.call(function, [pointers, ALIGN, EVERY_LANE, nothing])

    return VECTOR(array, INT_VECTOR), generate


pick: Callable[[Any, IntVector], Vector] = intrinsic(_pick)
"""pick(array, rows): in each lane the number of row `rows`, that lane's own."""


def _put(_context, array, rows, value):  # type: ignore[no-untyped-def]
    if not (_has_lanes(array, types.float32) and rows is INT_VECTOR and value is VECTOR):
        return None

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        form = ir.FunctionType(ir.VoidType(), [FLOATS, POINTERS, ir.IntType(32), MASK])
        name = f"llvm.masked.scatter.v{W}f32.v{W}p0"
        function = cgutils.get_or_insert_function(builder.module, form, name)
        pointers = _lane_pointers(context, builder, signature, values)
        builder.call(function, [values[2], pointers, ALIGN, EVERY_LANE])
        return context.get_dummy_value()

    return types.void(array, INT_VECTOR, VECTOR), generate


put: Callable[[Any, IntVector, Vector], Any] = intrinsic(_put)
"""put(array, rows, value): write each lane's number into row `rows`, that lane's own."""
