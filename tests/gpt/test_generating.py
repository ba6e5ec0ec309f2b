import pytest
import torch

from harness.gpt.generate import generate
from harness.gpt.model import GPT
from harness.gpt.predict import Row, accuracy, next_token_rows
from harness.gpt.seed import set_seed


@pytest.fixture
def model() -> GPT:
    set_seed(3)
    return GPT(vocab_size=7, embed_dim=8, num_heads=2, num_layers=2, max_seq_len=6, dropout=0.3)


PROMPT = torch.tensor([[0, 1, 2], [6, 5, 4]])


def reference(model: GPT, ids: torch.Tensor, steps: int, temperature: float, top_k: int | None):
    """The loop as the tutorial's chapter 15 describes it."""
    model.eval()
    for _ in range(steps):
        with torch.no_grad():
            logits = model(ids[:, -6:])[0][:, -1] / temperature
        if top_k is not None:
            kth = torch.sort(logits, descending=True).values[:, top_k - 1 : top_k]
            logits[logits < kth] = -float("inf")
        probabilities = torch.softmax(logits, -1)
        ids = torch.cat([ids, torch.multinomial(probabilities, 1)], 1)
    return ids


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, None), (0.7, 3), (2.0, 7), (1.5, 1)])
def test_sampling_is_the_loop_of_chapter_15(
    model: GPT, temperature: float, top_k: int | None
) -> None:
    set_seed(0)
    expected = reference(model, PROMPT, 20, temperature, top_k)
    set_seed(0)
    assert torch.equal(generate(model, PROMPT, 20, temperature, top_k), expected)


def test_the_prompt_comes_first_and_may_be_longer_than_the_context(model: GPT) -> None:
    prompt = torch.arange(14).reshape(1, 14) % 7
    out = generate(model, prompt, 3)
    assert out.shape == (1, 17)
    assert torch.equal(out[:, :14], prompt)


def test_top_k_of_one_takes_the_likeliest_token_whatever_the_seed(model: GPT) -> None:
    outs = []
    for seed in range(3):
        set_seed(seed)
        outs.append(generate(model, PROMPT, 10, top_k=1))
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 5e-324])
def test_a_temperature_near_zero_takes_the_likeliest_token(model: GPT, temperature: float) -> None:
    greedy = generate(model, PROMPT, 10, top_k=1)
    assert torch.equal(generate(model, PROMPT, 10, temperature=temperature), greedy)


def test_more_than_the_vocabulary_means_all(model: GPT) -> None:
    set_seed(0)
    everything = generate(model, PROMPT, 10)
    set_seed(0)
    assert torch.equal(generate(model, PROMPT, 10, top_k=1000), everything)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back_even_after_an_error(model: GPT, training: bool) -> None:
    model.train(training)
    generate(model, PROMPT, 1)
    assert model.training is training
    with pytest.raises(IndexError):
        generate(model, torch.tensor([[99]]), 1)
    assert model.training is training


def test_no_gradients_are_kept(model: GPT) -> None:
    generate(model, PROMPT, 2)
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_new_tokens_give_the_prompt(model: GPT) -> None:
    assert torch.equal(generate(model, PROMPT, 0), PROMPT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature must be greater than 0 and finite, got 0.0"),
        ({"temperature": -1.0}, "temperature must be greater than 0 and finite, got -1.0"),
        ({"temperature": float("nan")}, "temperature must be greater than 0 and finite, got nan"),
        ({"temperature": float("inf")}, "temperature must be greater than 0 and finite, got inf"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"max_new_tokens": -1}, "max_new_tokens must be at least 0, got -1"),
        ({"prompt_ids": torch.zeros(1, 0).long()}, r"at least one token, got shape \(1, 0\)"),
        ({"prompt_ids": torch.zeros(3).long()}, r"prompt_ids must be \(B, T\) .* got shape \(3,\)"),
    ],
)
def test_arguments_out_of_range_are_errors(
    model: GPT, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        generate(model, **{"prompt_ids": PROMPT, "max_new_tokens": 1, **arguments})


def test_rows_are_one_forward_pass_a_prefix(model: GPT) -> None:
    head = [0, 1, 2, 3, 4, 5, 6]
    before = torch.get_rng_state()
    rows = next_token_rows(model, head, seq_len=5)
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    model.eval()
    for length, row in enumerate(rows, start=1):
        logits, _ = model(torch.tensor([head[:length]]))
        expected = (tuple(head[:length]), int(logits[0, -1].argmax()), head[length])
        assert (row.prefix, row.predicted, row.expected) == expected
    assert len(rows) == 5


def test_rows_end_where_the_corpus_ends(model: GPT) -> None:
    assert len(next_token_rows(model, [0, 1, 2], seq_len=5)) == 2


def test_accuracy_is_the_share_of_right_rows() -> None:
    rows = [Row((0,), 1, 1), Row((0, 1), 3, 2), Row((0, 1, 2), 3, 3), Row((1,), 0, 0)]
    assert [row.ok for row in rows] == [True, False, True, True]
    assert accuracy(rows) == 0.75
