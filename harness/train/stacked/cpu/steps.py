"""A chunk of training steps of 16 runs as one call into machine code.

Between chunks Python looks at losses, stops runs and writes checkpoints; within one nothing but
these loops runs, and other threads may run beside it.

Layout: ids (steps, B, T + 1, W) int32; losses (steps, W) float32; weights, gradients, first and
second moment (P, W); see `layout`, `memory` and `optimizers` for the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.train.stacked.cpu.compiling import compiled, inlined
from harness.train.stacked.cpu.dropout import draw_kept
from harness.train.stacked.cpu.matmul import ZERO
from harness.train.stacked.cpu.memory import Memory
from harness.train.stacked.cpu.model import forward_and_backward
from harness.train.stacked.cpu.optimizers import adam, adam_numbers, decay_only, sgd, sgd_numbers
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import splat
from harness.train.stacked.layout import Shape


class Group(NamedTuple):
    """16 runs between two steps."""

    weights: Any
    gradients: Any  # zero between steps
    first: Any
    second: Any  # 0 rows for SGD
    numbers: Any  # room for the optimizer's, (NUM_NUMBERS, W)
    settings: Any
    steps: Any  # (W,) int64: updates made
    seeds: Any  # (W,) uint64: dropout's
    keep: Any  # (W,) float64: the probability that dropout keeps a number
    idle: tuple[int, int]  # the rows that `decay_only` serves


@compiled
def train_steps(
    group: Group, memory: Memory, ids: Any, losses: Any, shape: Shape, size: int, dropping: bool
) -> None:
    """Train `len(ids)` steps, `size` sequences of a batch at a time; fills `losses`."""
    count = splat(shape.batch_size * shape.seq_len)
    for step in range(len(ids)):
        store(memory.loss, 0, splat(0.0))
        for start in range(0, shape.batch_size, size):
            part = ids[step, start : start + size]
            if dropping:
                _draw_slice(group, memory, start, len(part), shape)
            forward_and_backward(group.gradients, group.weights, memory, part, shape, dropping)
        store(losses, step, load(memory.loss, 0) / count)
        for lane in range(len(group.steps)):
            group.steps[lane] += 1
        _update(group)


@inlined
def _update(group: Group) -> None:
    if len(group.second):
        adam_numbers(group.numbers, group.settings, group.steps)
        # A fifth of the chapter's weights are positions that no sequence reaches.
        start, end = group.idle
        _adam(group, ZERO, start)
        decay_only(group.weights, group.numbers, start, end)
        _adam(group, end, len(group.weights))
    else:
        sgd_numbers(group.numbers, group.settings, group.steps)
        sgd(group.weights, group.gradients, group.first, group.numbers)


@inlined
def _adam(group: Group, start: int, end: int) -> None:
    first, second, numbers = group.first, group.second, group.numbers
    adam(group.weights, group.gradients, first, second, numbers, start, end)


@inlined
def _draw_slice(group: Group, memory: Memory, start: int, count: int, shape: Shape) -> None:
    """Dropout's factors for sequences `start` to `start + count`, in the order of `dropout`."""
    TC, HTT = shape.seq_len * shape.embed_dim, shape.num_heads * shape.seq_len**2
    # Each part begins at a multiple of 4, so that no counter serves two.
    after_x, after_w = -(-TC // 4) * 4, -(-HTT // 4) * 4
    for n in range(count):
        place = (start + n) * (after_x + shape.num_layers * (2 * after_x + after_w))
        _draw(memory.kept, n * TC, TC, place, group)
        place += after_x
        for index in range(shape.num_layers):
            _draw(memory.kept_weights[index], n * HTT, HTT, place, group)
            _draw(memory.kept_attention[index], n * TC, TC, place + after_w, group)
            _draw(memory.kept_mlp[index], n * TC, TC, place + after_w + after_x, group)
            place += 2 * after_x + after_w


@inlined
def _draw(kept: Any, row: int, count: int, place: int, group: Group) -> None:
    draw_kept(kept, row, count, place, group.seeds, group.steps, group.keep)
