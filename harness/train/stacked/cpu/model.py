"""The GPT of `harness.gpt.model`, forward and backward, for 16 runs at once.

The same sums in the same order as the module's, with each gradient written out by hand: the
backward pass goes through the lines of the forward pass from the last to the first.

Layout: weights and gradients (P, W), rows as in `layout`; the rest as in `memory`. A slice is
`ids` (n, T + 1, W): n sequences of the batch, the last column the target of the one before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.train.stacked.cpu.attention import (
    attention_weights,
    attention_weights_gradient,
    mix,
    mix_gradient,
)
from harness.train.stacked.cpu.compiling import inlined
from harness.train.stacked.cpu.dropout import drop, drop_add
from harness.train.stacked.cpu.embedding import cross_entropy, embed, embed_gradient
from harness.train.stacked.cpu.gelu import gelu, gelu_gradient
from harness.train.stacked.cpu.linear import (
    add_bias,
    bias_gradient,
    linear,
    linear_input_gradient,
    linear_weight_gradient,
)
from harness.train.stacked.cpu.matmul import ADD, SET
from harness.train.stacked.cpu.memory import Memory
from harness.train.stacked.cpu.norm import norm, norm_gradient
from harness.train.stacked.layout import Shape


class Block(NamedTuple):
    """One block's weights, or their gradients: views of the flat rows."""

    norm1: Any
    bias1: Any
    qkv: Any
    out: Any
    norm2: Any
    bias2: Any
    expand: Any
    expand_bias: Any
    contract: Any
    contract_bias: Any


class Ends(NamedTuple):
    """The weights before and after the blocks, or their gradients."""

    table: Any
    positions: Any
    norm: Any
    bias: Any


@inlined
def _block(flat: Any, shape: Shape, index: int) -> Block:
    C = shape.embed_dim
    i = (shape.vocab_size + shape.max_seq_len) * C + index * (12 * C * C + 9 * C)
    j = i + 2 * C + 4 * C * C  # where the second norm begins
    k = j + 2 * C + 4 * C * C  # where expand's bias begins
    return Block(
        flat[i : i + C],
        flat[i + C : i + 2 * C],
        flat[i + 2 * C : i + 2 * C + 3 * C * C],
        flat[i + 2 * C + 3 * C * C : j],
        flat[j : j + C],
        flat[j + C : j + 2 * C],
        flat[j + 2 * C : k],
        flat[k : k + 4 * C],
        flat[k + 4 * C : k + 4 * C + 4 * C * C],
        flat[k + 4 * C + 4 * C * C : k + 5 * C + 4 * C * C],
    )


@inlined
def _ends(flat: Any, shape: Shape) -> Ends:
    C, V, S = shape.embed_dim, shape.vocab_size, shape.max_seq_len
    i = (V + S) * C + shape.num_layers * (12 * C * C + 9 * C)
    return Ends(flat[: V * C], flat[V * C : (V + S) * C], flat[i : i + C], flat[i + C : i + 2 * C])


@inlined
def forward_and_backward(
    gradients: Any, weights: Any, memory: Memory, ids: Any, shape: Shape, dropping: bool
) -> None:
    """Add a slice's loss to `memory.loss` and its gradients to `gradients`.

    The loss is the sum over the slice's tokens, the gradients are those of the mean over the whole
    batch. With `dropping`, the `kept` arrays of `memory` hold the slice's factors.
    """
    R, C, V = ids.shape[0] * shape.seq_len, shape.embed_dim, shape.vocab_size
    ends, d = _ends(weights, shape), _ends(gradients, shape)
    embed(memory.x, ends.table, ends.positions, ids, C)
    if dropping:
        drop(memory.x, memory.kept, R * C)
    for index in range(shape.num_layers):
        _block_forward(memory, _block(weights, shape, index), index, R, shape, dropping)
    norm(memory.output, memory.normed, memory.inverse, memory.x, ends.norm, ends.bias, R, C)
    linear(memory.logits, memory.output, ends.table, (R, C, V), SET)
    num_tokens = shape.batch_size * shape.seq_len
    cross_entropy(memory.loss, memory.logits, ids, V, num_tokens)
    linear_weight_gradient(d.table, memory.logits, memory.output, (R, C, V))
    linear_input_gradient(memory.dbranch, memory.logits, ends.table, (R, C, V), SET)
    memory.dx[:] = 0
    norm_gradient(
        memory.dx,
        d.norm,
        d.bias,
        memory.dbranch,
        memory.normed,
        memory.inverse,
        ends.norm,
        R,
        C,
    )
    for index in range(shape.num_layers - 1, -1, -1):
        block, dblock = _block(weights, shape, index), _block(gradients, shape, index)
        _block_backward(memory, block, dblock, index, R, shape, dropping)
    if dropping:
        drop(memory.dx, memory.kept, R * C)
    embed_gradient(d.table, d.positions, memory.dx, ids, C)


@inlined
def _block_forward(
    memory: Memory, w: Block, index: int, R: int, shape: Shape, dropping: bool
) -> None:
    """x += attention(norm1(x)); x += mlp(norm2(x))."""
    C, T, H = shape.embed_dim, shape.seq_len, shape.num_heads
    sizes = (R // T, T, H, C // H)
    x, qkv, mixed, hidden = memory.x, memory.qkv[index], memory.mixed[index], memory.hidden[index]
    attended = memory.weights[index]
    into = memory.input1[index]
    norm(into, memory.normed1[index], memory.inverse1[index], x, w.norm1, w.bias1, R, C)
    linear(qkv, into, w.qkv, (R, C, 3 * C), SET)
    attention_weights(attended, qkv, sizes)
    if dropping:
        drop_add(memory.dropped[index], attended, memory.kept_weights[index], R * H * T, SET)
        attended = memory.dropped[index]
    mix(mixed, attended, qkv, sizes)
    if dropping:
        linear(memory.branch, mixed, w.out, (R, C, C), SET)
        drop_add(x, memory.branch, memory.kept_attention[index], R * C, ADD)
    else:
        linear(x, mixed, w.out, (R, C, C), ADD)

    into, slope = memory.input2[index], memory.slope[index]
    norm(into, memory.normed2[index], memory.inverse2[index], x, w.norm2, w.bias2, R, C)
    linear(slope, into, w.expand, (R, C, 4 * C), SET)
    gelu(hidden, slope, w.expand_bias, R, 4 * C)
    if dropping:
        linear(memory.branch, hidden, w.contract, (R, 4 * C, C), SET)
        add_bias(memory.branch, w.contract_bias, R, C)
        drop_add(x, memory.branch, memory.kept_mlp[index], R * C, ADD)
    else:
        linear(x, hidden, w.contract, (R, 4 * C, C), ADD)
        add_bias(x, w.contract_bias, R, C)


@inlined
def _block_backward(
    memory: Memory, w: Block, d: Block, index: int, R: int, shape: Shape, dropping: bool
) -> None:
    """Turn dx, the gradient by the block's output, into that by its input; add the weights'."""
    C = shape.embed_dim
    dx, dbranch, hidden = memory.dx, memory.dbranch, memory.hidden[index]
    dout = dx
    if dropping:
        dout = memory.branch
        drop_add(dout, dx, memory.kept_mlp[index], R * C, SET)
    bias_gradient(d.contract_bias, dout, R, C)
    linear_weight_gradient(d.contract, dout, hidden, (R, 4 * C, C))
    # `hidden` has been used, and becomes the gradient by it.
    linear_input_gradient(hidden, dout, w.contract, (R, 4 * C, C), SET)
    gelu_gradient(hidden, d.expand_bias, memory.slope[index], R, 4 * C)
    linear_weight_gradient(d.expand, hidden, memory.input2[index], (R, C, 4 * C))
    linear_input_gradient(dbranch, hidden, w.expand, (R, C, 4 * C), SET)
    normed, inverse = memory.normed2[index], memory.inverse2[index]
    norm_gradient(dx, d.norm2, d.bias2, dbranch, normed, inverse, w.norm2, R, C)
    _attention_backward(memory, w, d, index, R, shape, dropping)


@inlined
def _attention_backward(
    memory: Memory, w: Block, d: Block, index: int, R: int, shape: Shape, dropping: bool
) -> None:
    """The first half of a block, backward."""
    C, T, H = shape.embed_dim, shape.seq_len, shape.num_heads
    sizes = (R // T, T, H, C // H)
    dx, dbranch, dqkv, dweights = memory.dx, memory.dbranch, memory.dqkv, memory.dweights
    qkv, weights = memory.qkv[index], memory.weights[index]
    dout, attended = dx, weights
    if dropping:
        dout, attended = memory.branch, memory.dropped[index]
        drop_add(dout, dx, memory.kept_attention[index], R * C, SET)
    linear_weight_gradient(d.out, dout, memory.mixed[index], (R, C, C))
    linear_input_gradient(dbranch, dout, w.out, (R, C, C), SET)
    mix_gradient(dweights, dqkv, dbranch, attended, qkv, sizes)
    if dropping:
        drop(dweights, memory.kept_weights[index], R * H * T)
    attention_weights_gradient(dqkv, dweights, weights, qkv, sizes)
    linear_weight_gradient(d.qkv, dqkv, memory.input1[index], (R, C, 3 * C))
    linear_input_gradient(dbranch, dqkv, w.qkv, (R, C, 3 * C), SET)
    normed, inverse = memory.normed1[index], memory.inverse1[index]
    norm_gradient(dx, d.norm1, d.bias1, dbranch, normed, inverse, w.norm1, R, C)
