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


def chapter_rows(model: GPT, head: list[int], seq_len: int) -> list[int]:
    """The chapter's loop: one forward pass for each prefix."""
    with torch.no_grad():
        return [int(model(torch.tensor([head[:n]]))[0][0, -1].argmax()) for n in range(1, seq_len)]


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e-3, 1.0, 1e2, 1e20])
@pytest.mark.parametrize("vocab_size", [1, 2, 40])
def test_rows_are_those_of_one_pass_a_prefix_ties_included(scale: float, vocab_size: int) -> None:
    for seed in range(20):
        set_seed(seed)
        model = GPT(vocab_size, embed_dim=8, num_heads=2, num_layers=2, max_seq_len=33).eval()
        with torch.no_grad():
            model.token_embedding.weight *= scale  # at 0 every logit ties with every other
        head = torch.randint(0, vocab_size, (33,)).tolist()
        rows = next_token_rows(model, head, seq_len=32)
        assert [row.predicted for row in rows] == chapter_rows(model, head, 33)


def test_rows_of_a_model_whose_tokens_are_all_alike_but_in_the_last_bits() -> None:
    """Equal embeddings tie; the order of the sums decides, and each prefix has its own."""
    model = GPT(vocab_size=9, embed_dim=64, num_heads=2, num_layers=1, max_seq_len=33).eval()
    with torch.no_grad():
        weight = model.token_embedding.weight
        weight[:] = weight[0] * (1 + 1e-7 * torch.arange(9)[:, None])
    head = [n % 9 for n in range(33)]
    rows = next_token_rows(model, head, seq_len=32)
    assert [row.predicted for row in rows] == chapter_rows(model, head, 33)


def test_rows_of_weights_that_are_not_finite_are_those_of_one_pass_a_prefix(model: GPT) -> None:
    with torch.no_grad():
        model.position_embedding.weight[3] = float("nan")
    rows = next_token_rows(model.eval(), [0, 1, 2, 3, 4, 5, 6], seq_len=6)
    assert [row.predicted for row in rows] == chapter_rows(model, [0, 1, 2, 3, 4, 5, 6], 7)


def test_clear_rows_take_one_forward_pass_together(model: GPT) -> None:
    with torch.no_grad():
        model.token_embedding.weight *= 10
    passes = []
    model.register_forward_hook(lambda *_: passes.append(1))
    rows = next_token_rows(model, [0, 1, 2, 3, 4, 5, 6], seq_len=6)
    assert (len(rows), len(passes)) == (6, 1)


def test_rows_end_where_the_corpus_ends(model: GPT) -> None:
    assert len(next_token_rows(model, [0, 1, 2], seq_len=5)) == 2


def test_accuracy_is_the_share_of_right_rows() -> None:
    rows = [Row((0,), 1, 1), Row((0, 1), 3, 2), Row((0, 1, 2), 3, 3), Row((1,), 0, 0)]
    assert [row.ok for row in rows] == [True, False, True, True]
    assert accuracy(rows) == 0.75
