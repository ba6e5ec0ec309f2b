import math

import pytest
import torch
import torch.nn.functional as F

from harness.gpt.model import GPT
from harness.gpt.seed import set_seed

CHAPTER = {"vocab_size": 4, "embed_dim": 8, "num_heads": 2, "num_layers": 2, "max_seq_len": 64}
IDS = torch.tensor([[0, 1, 2, 3, 0], [3, 3, 1, 0, 2]])


def explicit_logits(model: GPT, ids: torch.Tensor) -> torch.Tensor:
    """The architecture written out from its description, on the model's own weights."""
    w = model.state_dict()
    T, C, H = ids.shape[1], model.config.embed_dim, model.config.num_heads

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        centered = x - x.mean(-1, keepdim=True)
        scale = (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return centered / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["token_embedding.weight"][ids] + w["position_embedding.weight"][:T]
    for i in range(model.config.num_layers):
        name = f"blocks.{i}"
        qkv = norm(x, f"{name}.norm1") @ w[f"{name}.attention.qkv.weight"].T
        mixed = []
        for q, k, v in zip(*(part.split(C // H, -1) for part in qkv.split(C, -1)), strict=True):
            scores = q @ k.transpose(-2, -1) / math.sqrt(C // H)
            scores = scores.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf)
            mixed.append(scores.softmax(-1) @ v)
        x = x + torch.cat(mixed, -1) @ w[f"{name}.attention.out.weight"].T
        hidden = norm(x, f"{name}.norm2") @ w[f"{name}.mlp.expand.weight"].T
        hidden = hidden + w[f"{name}.mlp.expand.bias"]
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        x = x + hidden @ w[f"{name}.mlp.contract.weight"].T + w[f"{name}.mlp.contract.bias"]
    return norm(x, "norm") @ w["token_embedding.weight"].T


def test_the_chapters_model_has_2240_parameters() -> None:
    assert GPT(**CHAPTER).num_parameters() == 2_240


@pytest.mark.parametrize("shape", [(4, 8, 2, 2, 64), (65, 64, 4, 4, 64), (1, 6, 3, 1, 1)])
def test_parameters_are_as_many_as_the_config_counts(shape: tuple[int, ...]) -> None:
    V, C, H, N, L = shape
    model = GPT(V, C, H, N, L)
    assert model.num_parameters() == V * C + L * C + N * (12 * C**2 + 9 * C) + 2 * C
    assert model.num_parameters() == model.config.num_parameters()


def test_logits_are_those_of_the_architecture_written_out() -> None:
    set_seed(1)
    model = GPT(vocab_size=5, embed_dim=12, num_heads=3, num_layers=2, max_seq_len=7)
    logits, loss = model(IDS, IDS.flip(0))
    torch.testing.assert_close(logits, explicit_logits(model, IDS), atol=1e-5, rtol=1e-5)
    expected = F.cross_entropy(logits.reshape(-1, 5), IDS.flip(0).reshape(-1))
    torch.testing.assert_close(loss, expected)


def test_weights_are_drawn_in_the_order_of_the_tutorial() -> None:
    set_seed(0)
    model = GPT(**CHAPTER)
    set_seed(0)
    expected = [torch.randn(4, 8), torch.randn(64, 8)]
    for _ in range(2):  # query, key, value, output; then the MLP's weight, bias, weight, bias
        parts = [torch.nn.Linear(8, 8, bias=False).weight for _ in range(4)]
        wide, narrow = torch.nn.Linear(8, 32), torch.nn.Linear(32, 8)
        expected += [torch.cat(parts[:3]), parts[3]]
        expected += [wide.weight, wide.bias, narrow.weight, narrow.bias]
    drawn = [p for name, p in model.named_parameters() if "norm" not in name]
    assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))


def test_a_position_does_not_see_the_ones_after_it() -> None:
    model = GPT(**CHAPTER)
    changed = IDS.clone()
    changed[:, 3:] = 1
    torch.testing.assert_close(model(IDS)[0][:, :3], model(changed)[0][:, :3])


def test_without_dropout_a_forward_pass_draws_nothing() -> None:
    model = GPT(**CHAPTER)
    before = torch.get_rng_state()
    model(IDS, IDS)[1].backward()
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_acts_in_training_and_not_in_evaluation() -> None:
    model = GPT(**CHAPTER, dropout=0.5)
    assert not torch.equal(model(IDS)[0], model(IDS)[0])
    model.eval()
    assert torch.equal(model(IDS)[0], model(IDS)[0])


def test_the_head_has_no_parameter_of_its_own() -> None:
    assert not [name for name, _ in GPT(**CHAPTER).named_parameters() if "head" in name]


def test_without_targets_there_is_no_loss() -> None:
    logits, loss = GPT(**CHAPTER)(IDS)
    assert (tuple(logits.shape), loss) == ((2, 5, 4), None)


def test_an_input_longer_than_the_context_is_an_error() -> None:
    model = GPT(**{**CHAPTER, "max_seq_len": 4})
    model(IDS[:, :4])
    with pytest.raises(ValueError, match="input of 5 tokens; max_seq_len is 4"):
        model(IDS)


def test_sizes_that_cannot_be_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"embed_dim \(8\) must be divisible by num_heads, got 3"):
        GPT(**{**CHAPTER, "num_heads": 3})
