import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numba import njit
from stacks import ODD_SHAPES, make_config, start

from harness.gpt.batch import get_batch
from harness.train.stacked.cpu import dropout
from harness.train.stacked.cpu.lanes import Lanes
from harness.train.stacked.cpu.memory import zeros
from harness.train.stacked.cpu.vector import W


@njit
def words(counter, key):
    return dropout.philox(counter, key)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_random_words_are_those_that_the_papers_authors_publish(counter, key, expected):
    found = words(tuple(map(np.uint64, counter)), tuple(map(np.uint64, key)))
    assert tuple(map(int, found)) == expected


def test_as_many_are_kept_as_the_probability_says_and_the_mean_stays():
    kept = zeros((100_000,))
    keep = np.linspace(0.2, 1.0, W)
    dropout.draw_kept(kept, 0, len(kept), 0, np.arange(W, dtype=np.uint64), np.zeros(W, int), keep)
    for lane in range(W):
        column = kept[:, lane]
        assert set(np.unique(column)) <= {np.float32(0), np.float32(1 / keep[lane])}
        deviation = np.sqrt((1 / keep[lane] - 1) / len(column))
        assert abs(column.mean() - 1) <= 4 * deviation + 1e-6


def test_steps_seeds_and_places_have_factors_of_their_own():
    def draw(seed, step, place):
        kept = zeros((4000,))
        seeds, steps = np.full(W, seed, np.uint64), np.full(W, step)
        dropout.draw_kept(kept, 0, 4000, place, seeds, steps, np.full(W, 0.5))
        assert (kept == kept[:, :1]).all()
        return kept[:, 0].copy()

    first = draw(3, 5, 0)
    np.testing.assert_array_equal(first[400:], draw(3, 5, 400)[:-400])
    for other in (draw(4, 5, 0), draw(3, 6, 0), draw(3 + 2**32, 5, 0), draw(3, 5, 4000)):
        assert abs((first == other).mean() - 0.5) < 0.05


def torch_loss_and_gradient(run, memory, lane, ids, dtype):
    """The model's forward pass with given factors, on modules that `state` made."""
    model = run.state().model.to(dtype)
    shape = run.shape
    B, T, C, H = shape.batch_size, shape.seq_len, shape.embed_dim, shape.num_heads

    def kept(array, *sizes):
        return torch.from_numpy(array[..., lane].copy()).to(dtype).view(sizes)

    x = model.token_embedding(ids[0]) + model.position_embedding(torch.arange(T))
    x = x * kept(memory.kept, B, T, C)
    for i, block in enumerate(model.blocks):
        qkv = block.attention.qkv(block.norm1(x)).view(B, T, 3, H, C // H)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) / (C // H) ** 0.5
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        mixed = (weights * kept(memory.kept_weights[i], B, H, T, T)) @ v
        added = block.attention.out(mixed.transpose(1, 2).reshape(B, T, C))
        x = x + added * kept(memory.kept_attention[i], B, T, C)
        x = x + block.mlp(block.norm2(x)) * kept(memory.kept_mlp[i], B, T, C)
    logits = F.linear(model.norm(x), model.token_embedding.weight)
    loss = F.cross_entropy(logits.flatten(0, 1), ids[1].flatten())
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    return loss.item(), gradient.double().numpy()


@pytest.mark.parametrize("shape", ["chapter", "C6 H3 T5 B3 V5", "T1 B1"])
def test_loss_and_gradient_with_dropout_are_torchs_with_the_same_factors(shape):
    sections = {name: dict(section) for name, section in ODD_SHAPES[shape].items()}
    sections.setdefault("model", {})["dropout"] = 0.3
    sgd = {"name": "sgd", "lr": 1e-3, "momentum": 0.9}
    runs = start(*(make_config(**sections, optimizer=sgd, seed={"data": i}) for i in range(3)))
    befores = [run.weights.copy() for run in runs]
    lanes = Lanes(runs)
    memory = lanes.memory()
    losses = lanes.train(1, memory)[0]
    for lane, (run, before) in enumerate(zip(runs, befores, strict=True)):
        gradient, run.weights = run.moments[0].copy(), before
        generator = torch.Generator().manual_seed(run.config.seed.data)
        ids = get_batch(run.data, run.shape.batch_size, run.shape.seq_len, generator)
        loss, expected = torch_loss_and_gradient(run, memory, lane, ids, torch.double)
        assert losses[lane] == pytest.approx(loss, rel=2e-6, abs=1e-6)
        size = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=3e-6 * size + 1e-7)
