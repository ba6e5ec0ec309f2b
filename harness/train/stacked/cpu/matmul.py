"""Matrix products of 16 runs at once: each lane multiplies its own matrices.

A product is summed in tiles of 4 x 4 results, held in 16 registers while k runs: 8 loads for 16
multiplications, where one result at a time would need 2 for 1 and wait for memory (5-10 GFLOP/s;
tiles reach 70-105). What is left over at the edges is summed in strips of 4 and single results.

A `Matrix` is a view: element (i, k) stands in row `at + i * row + k * col` of `array` (rows, W),
so that one product serves x W^T, g W, g^T x and the heads of attention.

Guarantee: a result is the sum over k in ascending order, begun from what it is added to, each
term fused; tiles change what is computed when, never the result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.train.stacked.cpu.compiling import compiled, constant, inlined
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import fma, splat

ZERO, ONE = constant(0), constant(1)


class Matrix(NamedTuple):
    """A matrix a run, in the rows of an array (rows, W)."""

    array: Any
    at: int
    row: int
    col: int


@inlined
def matrix(array: Any, width: int) -> Matrix:
    """The matrix of `width` columns that fills `array` row by row."""
    return Matrix(array, ZERO, width, ONE)


@inlined
def flipped(m: Matrix) -> Matrix:
    """The transpose, without moving anything."""
    return Matrix(m.array, m.at, m.col, m.row)


SET, ADD = constant(0), constant(1)  # what happens with c's old values

# Which terms of a product there are when one of its matrices is causal (zero above the diagonal).
ALL = constant(0)
K_UP_TO_ROW = constant(1)  # a is causal: a[i, k] is zero for k > i
K_FROM_ROW = constant(2)  # a is the transpose of a causal matrix: zero for k < i
COLUMNS_UP_TO_ROW = constant(3)  # only c[i, j] with j <= i is wanted


@compiled
def product(
    c: Matrix, a: Matrix, b: Matrix, shape: tuple[int, int, int], mode: int, terms: int
) -> None:
    """c = a b, or c += a b with ADD; shape is (rows of c, columns of c, k).

    With `terms` other than ALL up to 3 terms or columns beside the diagonal are computed too:
    the zeros there must be stored, and those results are not to be used.
    """
    num_rows, num_columns, depth = shape
    i = 0
    while i < num_rows:
        height = 4 if i + 4 <= num_rows else 1
        first = i if terms == K_FROM_ROW else 0
        last = min(depth, i + height) if terms == K_UP_TO_ROW else depth
        columns = min(num_columns, i + height) if terms == COLUMNS_UP_TO_ROW else num_columns
        j = 0
        if height == 4:
            while j + 4 <= columns:
                _tile_4x4(c, a, b, i, j, first, last, mode)
                j += 4
            while j < columns:
                _tile_4x1(c, a, b, i, j, first, last, mode)
                j += 1
        else:
            while j + 4 <= columns:
                _tile_4x1(flipped(c), flipped(b), flipped(a), j, i, first, last, mode)
                j += 4
            while j < columns:
                _tile_1x1(c, a, b, i, j, first, last, mode)
                j += 1
        i += height


# fmt: off
@inlined
def _tile_4x4(
    c: Matrix, a: Matrix, b: Matrix, i: int, j: int, first: int, last: int, mode: int
) -> None:
    p, q, r = c.array, a.array, b.array
    c0 = c.at + i * c.row + j * c.col
    c1, c2, c3 = c0 + c.row, c0 + 2 * c.row, c0 + 3 * c.row
    d1, d2, d3 = c.col, 2 * c.col, 3 * c.col
    if mode == ADD:
        c00, c01, c02, c03 = load(p, c0), load(p, c0 + d1), load(p, c0 + d2), load(p, c0 + d3)
        c10, c11, c12, c13 = load(p, c1), load(p, c1 + d1), load(p, c1 + d2), load(p, c1 + d3)
        c20, c21, c22, c23 = load(p, c2), load(p, c2 + d1), load(p, c2 + d2), load(p, c2 + d3)
        c30, c31, c32, c33 = load(p, c3), load(p, c3 + d1), load(p, c3 + d2), load(p, c3 + d3)
    else:
        c00 = c01 = c02 = c03 = splat(0.0)
        c10 = c11 = c12 = c13 = splat(0.0)
        c20 = c21 = c22 = c23 = splat(0.0)
        c30 = c31 = c32 = c33 = splat(0.0)
    a0 = a.at + i * a.row
    a1, a2, a3 = a0 + a.row, a0 + 2 * a.row, a0 + 3 * a.row
    b0 = b.at + j * b.col
    b1, b2, b3 = b0 + b.col, b0 + 2 * b.col, b0 + 3 * b.col
    for k in range(first, last):
        ak, bk = k * a.col, k * b.row
        y0, y1, y2, y3 = load(r, b0 + bk), load(r, b1 + bk), load(r, b2 + bk), load(r, b3 + bk)
        x = load(q, a0 + ak)
        c00, c01, c02, c03 = fma(x, y0, c00), fma(x, y1, c01), fma(x, y2, c02), fma(x, y3, c03)
        x = load(q, a1 + ak)
        c10, c11, c12, c13 = fma(x, y0, c10), fma(x, y1, c11), fma(x, y2, c12), fma(x, y3, c13)
        x = load(q, a2 + ak)
        c20, c21, c22, c23 = fma(x, y0, c20), fma(x, y1, c21), fma(x, y2, c22), fma(x, y3, c23)
        x = load(q, a3 + ak)
        c30, c31, c32, c33 = fma(x, y0, c30), fma(x, y1, c31), fma(x, y2, c32), fma(x, y3, c33)
    store(p, c0, c00), store(p, c0 + d1, c01), store(p, c0 + d2, c02), store(p, c0 + d3, c03)
    store(p, c1, c10), store(p, c1 + d1, c11), store(p, c1 + d2, c12), store(p, c1 + d3, c13)
    store(p, c2, c20), store(p, c2 + d1, c21), store(p, c2 + d2, c22), store(p, c2 + d3, c23)
    store(p, c3, c30), store(p, c3 + d1, c31), store(p, c3 + d2, c32), store(p, c3 + d3, c33)
# fmt: on


@inlined
def _tile_4x1(
    c: Matrix, a: Matrix, b: Matrix, i: int, j: int, first: int, last: int, mode: int
) -> None:
    c0 = c.at + i * c.row + j * c.col
    c1, c2, c3 = c0 + c.row, c0 + 2 * c.row, c0 + 3 * c.row
    s0 = s1 = s2 = s3 = splat(0.0)
    if mode == ADD:
        s0, s1, s2, s3 = load(c.array, c0), load(c.array, c1), load(c.array, c2), load(c.array, c3)
    a0 = a.at + i * a.row
    a1, a2, a3 = a0 + a.row, a0 + 2 * a.row, a0 + 3 * a.row
    b0 = b.at + j * b.col
    for k in range(first, last):
        ak = k * a.col
        y = load(b.array, b0 + k * b.row)
        s0, s1 = fma(load(a.array, a0 + ak), y, s0), fma(load(a.array, a1 + ak), y, s1)
        s2, s3 = fma(load(a.array, a2 + ak), y, s2), fma(load(a.array, a3 + ak), y, s3)
    store(c.array, c0, s0)
    store(c.array, c1, s1)
    store(c.array, c2, s2)
    store(c.array, c3, s3)


@inlined
def _tile_1x1(
    c: Matrix, a: Matrix, b: Matrix, i: int, j: int, first: int, last: int, mode: int
) -> None:
    at = c.at + i * c.row + j * c.col
    total = load(c.array, at) if mode == ADD else splat(0.0)
    for k in range(first, last):
        x = load(a.array, a.at + i * a.row + k * a.col)
        y = load(b.array, b.at + j * b.col + k * b.row)
        total = fma(x, y, total)
    store(c.array, at, total)
