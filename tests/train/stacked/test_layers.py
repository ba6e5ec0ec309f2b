"""Each layer's forward and backward pass against torch, in double and in single precision."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from harness.train.stacked.cpu import attention, dropout, embedding, gelu, linear, matmul, norm
from harness.train.stacked.cpu.memory import zeros
from harness.train.stacked.cpu.vector import W

PRECISIONS = (torch.double, torch.float)


def random(*shape):
    """Numbers of each lane's own, (*shape, W)."""
    return np.random.default_rng(len(shape) * 7 + sum(shape)).normal(size=(*shape, W)).astype("f4")


def rows(array):
    """The array as the engine has it: (rows, W), aligned."""
    out = zeros((int(np.prod(array.shape[:-1])),))
    out[:] = array.reshape(-1, W)
    return out


def lane_tensors(lane, dtype, *arrays):
    return [torch.from_numpy(a[..., lane].copy()).to(dtype).requires_grad_() for a in arrays]


def agree(found, shape, expected_of):
    """Every lane near the double result, and about as near as torch's single precision is."""
    found = found.reshape(*shape, W)
    for lane in range(W):
        exact, single = (expected_of(lane, dtype).detach().double().numpy() for dtype in PRECISIONS)
        size = np.abs(exact).max() + 1e-30
        ours, torchs = np.abs(found[..., lane] - exact).max(), np.abs(single - exact).max()
        assert ours <= 4 * torchs + 4e-7 * size


@pytest.mark.parametrize(
    ("M", "N", "K"), [(1, 1, 1), (4, 4, 4), (5, 7, 3), (8, 4, 9), (3, 9, 2), (13, 6, 1), (1, 8, 5)]
)
@pytest.mark.parametrize("mode", [matmul.SET, matmul.ADD])
def test_products_of_matrices_flipped_or_not(M, N, K, mode):
    a, b, c = random(M, K), random(K, N), random(M, N)
    flips = [
        (lambda x, width: matmul.Matrix(rows(x), 0, width, 1)),
        (lambda x, width: matmul.Matrix(rows(x.swapaxes(0, 1)), 0, 1, x.shape[0])),
    ]

    def expected(lane, dtype):
        x, y, z = lane_tensors(lane, dtype, a, b, c)
        return x @ y + z * int(mode)

    for of_a in flips:
        for of_b in flips:
            out = rows(c)
            result = matmul.Matrix(out, 0, N, 1)
            matmul.product(result, of_a(a, K), of_b(b, N), (M, N, K), mode, matmul.ALL)
            agree(out, (M, N), expected)


@pytest.mark.parametrize("T", [1, 2, 4, 5, 8, 11])
def test_products_that_skip_above_the_diagonal(T):
    D = 5
    causal, x = np.tril(random(T, T).transpose(2, 0, 1)).transpose(1, 2, 0), random(T, D)
    views = [matmul.Matrix(rows(causal), 0, T, 1), matmul.Matrix(rows(x), 0, D, 1)]
    flipped = matmul.Matrix(views[0].array, 0, 1, T)
    for a, terms, turn in (
        (views[0], matmul.K_UP_TO_ROW, lambda m: m),
        (flipped, matmul.K_FROM_ROW, lambda m: m.T),
    ):
        out = zeros((T * D,))
        result = matmul.Matrix(out, 0, D, 1)
        matmul.product(result, a, views[1], (T, D, T), matmul.SET, terms)

        def expected(lane, dtype, turn=turn):
            m, y = lane_tensors(lane, dtype, causal, x)
            return turn(m) @ y

        agree(out, (T, D), expected)
    square = zeros((T * T,))
    other = matmul.Matrix(views[1].array, 0, 1, D)
    result = matmul.Matrix(square, 0, T, 1)
    matmul.product(result, views[1], other, (T, T, D), matmul.SET, matmul.COLUMNS_UP_TO_ROW)
    lower = np.tril(square.reshape(T, T, W).transpose(2, 0, 1)).transpose(1, 2, 0).copy()
    agree(lower, (T, T), lambda lane, dtype: torch.tril(torch.matmul(*_pair(x, lane, dtype))))


def _pair(x, lane, dtype):
    [one] = lane_tensors(lane, dtype, x)
    return one, one.T


@pytest.mark.parametrize(("R", "I", "O"), [(1, 1, 1), (5, 6, 7), (32, 8, 24), (3, 13, 4)])
def test_linear(R, I, O):  # noqa: E741
    x, weight, bias, dy = random(R, I), random(O, I), random(O), random(R, O)

    def torchs(lane, dtype):
        leaves = lane_tensors(lane, dtype, x, weight, bias)
        y = F.linear(*leaves)
        y.backward(lane_tensors(lane, dtype, dy)[0])
        return y, *(leaf.grad for leaf in leaves)

    y, dx, dw, db = (zeros((n,)) for n in (R * O, R * I, O * I, O))
    linear.linear(y, rows(x), rows(weight), (R, I, O), matmul.SET)
    linear.add_bias(y, rows(bias), R, O)
    linear.linear_input_gradient(dx, rows(dy), rows(weight), (R, I, O), matmul.SET)
    linear.linear_weight_gradient(dw, rows(dy), rows(x), (R, I, O))
    linear.bias_gradient(db, rows(dy), R, O)
    for i, (found, shape) in enumerate([(y, (R, O)), (dx, (R, I)), (dw, (O, I)), (db, (O,))]):
        agree(found, shape, lambda lane, dtype, i=i: torchs(lane, dtype)[i])


@pytest.mark.parametrize(("R", "C"), [(1, 1), (1, 6), (5, 7), (32, 8), (3, 64)])
def test_norm(R, C):
    x, weight, bias, dy = random(R, C) * 3 + 1, random(C), random(C), random(R, C)

    def torchs(lane, dtype):
        leaves = lane_tensors(lane, dtype, x, weight, bias)
        y = F.layer_norm(leaves[0], (C,), *leaves[1:])
        y.backward(lane_tensors(lane, dtype, dy)[0])
        return y, *(leaf.grad for leaf in leaves)

    y, normed, dx = (zeros((R * C,)) for _ in range(3))
    inverse, dw, db = zeros((R,)), zeros((C,)), zeros((C,))
    norm.norm(y, normed, inverse, rows(x), rows(weight), rows(bias), R, C)
    norm.norm_gradient(dx, dw, db, rows(dy), normed, inverse, rows(weight), R, C)
    agree(y, (R, C), lambda lane, dtype: torchs(lane, dtype)[0])
    if C > 1:  # of one channel the gradient is 0, and what is left is rounding
        agree(dx, (R, C), lambda lane, dtype: torchs(lane, dtype)[1])
    agree(dw, (C,), lambda lane, dtype: torchs(lane, dtype)[2])
    agree(db, (C,), lambda lane, dtype: torchs(lane, dtype)[3])


def test_gelu_with_the_bias_before_it():
    h = np.linspace(-9, 9, 40 * W).reshape(8, 5, W).astype("f4")
    bias, dy = random(5), random(8, 5)

    def torchs(lane, dtype):
        x, b = lane_tensors(lane, dtype, h, bias)
        y = F.gelu(x + b)
        y.backward(lane_tensors(lane, dtype, dy)[0])
        return y, x.grad, b.grad

    slope, y, dh, db = rows(h), zeros((40,)), rows(dy), zeros((5,))
    gelu.gelu(y, slope, rows(bias), 8, 5)
    gelu.gelu_gradient(dh, db, slope, 8, 5)
    for i, (found, shape) in enumerate([(y, (8, 5)), (dh, (8, 5)), (db, (5,))]):
        agree(found, shape, lambda lane, dtype, i=i: torchs(lane, dtype)[i])


@pytest.mark.parametrize(
    ("N", "T", "H", "D"), [(1, 1, 1, 1), (2, 5, 3, 2), (4, 8, 2, 4), (1, 13, 1, 7), (3, 2, 2, 1)]
)
def test_attention(N, T, H, D):
    C, sizes = H * D, (N, T, H, D)
    qkv, dmixed = random(N, T, 3 * C), random(N, T, C)

    def torchs(lane, dtype):
        [leaf] = lane_tensors(lane, dtype, qkv)
        q, k, v = leaf.view(N, T, 3, H, D).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out = out.transpose(1, 2).reshape(N, T, C)
        out.backward(lane_tensors(lane, dtype, dmixed)[0])
        return out, leaf.grad

    weights, dweights = zeros((N * H * T * T,)), zeros((N * H * T * T,))
    mixed, dqkv = zeros((N * T * C,)), zeros((N * T * 3 * C,))
    attention.attention_weights(weights, rows(qkv), sizes)
    attention.mix(mixed, weights, rows(qkv), sizes)
    attention.mix_gradient(dweights, dqkv, rows(dmixed), weights, rows(qkv), sizes)
    attention.attention_weights_gradient(dqkv, dweights, weights, rows(qkv), sizes)
    agree(mixed, (N, T, C), lambda lane, dtype: torchs(lane, dtype)[0])
    agree(dqkv, (N, T, 3 * C), lambda lane, dtype: torchs(lane, dtype)[1])


@pytest.mark.parametrize(("N", "T", "C", "V"), [(1, 1, 1, 1), (2, 5, 6, 7), (4, 8, 8, 4)])
def test_embeddings_and_cross_entropy(N, T, C, V):
    table, positions, dx = random(V, C), random(T + 2, C), random(N, T, C)
    logits = random(N, T, V) * 4
    ids = np.random.default_rng(0).integers(0, V, (N, T + 1, W)).astype(np.int32)

    def torchs(lane, dtype):
        t, p, l = lane_tensors(lane, dtype, table, positions, logits)  # noqa: E741
        tokens = torch.from_numpy(ids[..., lane].copy()).long()
        x = F.embedding(tokens[:, :-1], t) + p[:T]
        x.backward(lane_tensors(lane, dtype, dx)[0])
        loss = F.cross_entropy(l.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")
        (loss / (N * T)).backward()
        return x, t.grad, p.grad, loss, l.grad

    x, dt, dp, loss = (zeros((n,)) for n in (N * T * C, V * C, (T + 2) * C, 1))
    out = rows(logits)
    embedding.embed(x, rows(table), rows(positions), ids, C)
    embedding.embed_gradient(dt, dp, rows(dx), ids, C)
    embedding.cross_entropy(loss, out, ids, V, N * T)
    shapes = [(N, T, C), (V, C), (T + 2, C), (), (N, T, V)]
    for i, (found, shape) in enumerate(zip((x, dt, dp, loss, out), shapes, strict=True)):
        if i < 3 or V > 1:  # with one symbol loss and gradient are 0
            agree(found, shape, lambda lane, dtype, i=i: torchs(lane, dtype)[i])
        else:
            assert not found.any()


def test_losses_of_huge_logits_are_finite():
    logits = random(1, 2, 3) * 1e30
    ids, loss = np.zeros((1, 3, W), np.int32), zeros((1,))
    embedding.cross_entropy(loss, rows(logits), ids, 3, 2)
    assert np.isfinite(loss).all()


def test_dropouts_factors_multiply():
    x, kept, y = rows(random(9)), rows(random(9) > 0), rows(random(9))
    before, added = x.copy(), y.copy()
    dropout.drop_add(added, x, kept, 9, matmul.ADD)
    np.testing.assert_array_equal(added, y + before * kept)
    dropout.drop_add(added, x, kept, 9, matmul.SET)
    dropout.drop(x, kept, 9)
    np.testing.assert_array_equal(x, before * kept)
    np.testing.assert_array_equal(added, x)
