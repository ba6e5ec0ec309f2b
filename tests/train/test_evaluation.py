"""`val/loss`: what it is computed from, and that computing it touches nothing."""

import pytest
import torch
import torch.nn.functional as F
from chapter_run import Recorder, make_config, make_corpus, train

from harness.gpt.batch import get_batch, windows
from harness.gpt.model import GPT
from harness.spec.run_config import DataConfig
from harness.train.data import split
from harness.train.engines import ENGINES
from harness.train.evaluation import Evaluation, evaluation_of, window_seed
from harness.train.stacked.checkpoints import Checkpoints
from harness.train.stacked.driver import train as train_stacked
from harness.train.stacked.run import start_runs
from harness.train.state import begin, start

HELD_OUT = {  # 280 tokens, 70 held out
    "model": {"num_layers": 1},
    "data": {"text": "a b c d e f g", "repeat": 40, "holdout": 0.25},
    "train": {"steps": 12, "batch_size": 3, "seq_len": 8},
}


def config_of(**changes):
    names = {*HELD_OUT, *changes}
    return make_config(**{n: {**HELD_OUT.get(n, {}), **changes.get(n, {})} for n in names})


def started(**changes):
    config = config_of(**changes)
    return start(config, make_corpus(config))


def evaluated(state) -> float:
    return Evaluation(state.config, state.held_out).loss(state.model)


@pytest.mark.parametrize(
    ("holdout", "num_held_out"), [(0, 0), (0.25, 25), (0.29, 29), (0.004, 0), (0.9, 90)]
)
def test_the_last_tokens_are_held_out_to_the_nearest_whole_number(holdout, num_held_out):
    training, held_out = split(torch.arange(100), DataConfig(text="a", holdout=holdout))
    assert training.tolist() == list(range(100 - num_held_out))
    assert held_out.tolist() == list(range(100 - num_held_out, 100))


@pytest.mark.parametrize("engine", ENGINES)
def test_training_is_that_on_a_corpus_without_the_held_out_tokens(engine):
    shorter = {"repeat": 30, "holdout": 0.0}
    assert train(engine, config_of()) == train(engine, config_of(data=shorter))


def test_a_stacked_run_is_that_on_a_corpus_without_the_held_out_tokens():
    losses = []
    for config in (config_of(), config_of(data={"repeat": 30, "holdout": 0.0})):
        recorder = Recorder()
        train_stacked(start_runs([(config, make_corpus(config))]), recorder)
        losses.append(recorder.losses)
    assert losses[0] == losses[1]


def test_it_is_the_mean_over_batches_of_windows_of_the_held_out_tokens():
    state = started(model={"dropout": 0.5}, train={"eval_batches": 5})
    generator = torch.Generator().manual_seed(window_seed(state.config.seed.data))
    losses = []
    state.model.eval()
    with torch.no_grad():
        for _ in range(5):
            x, y = get_batch(state.held_out, 3, 8, generator)
            logits, _ = state.model(x)
            losses.append(F.cross_entropy(logits.double().flatten(0, 1), y.flatten()).item())
    assert evaluated(state) == pytest.approx(sum(losses) / 5, abs=1e-6)


def test_more_windows_than_fit_together_give_the_same_mean():
    state = started(train={"eval_batches": 400})  # 9,600 tokens
    evaluation = Evaluation(state.config, state.held_out)
    assert len(evaluation.starts) == 1200 > 9 * evaluation.together
    x, y = windows(state.held_out, evaluation.starts, 8)
    with torch.no_grad():
        logits, _ = state.model.eval()(x)
    whole = F.cross_entropy(logits.double().flatten(0, 1), y.flatten()).item()
    assert evaluation.loss(state.model) == pytest.approx(whole, abs=1e-6)


def test_a_batch_goes_through_the_model_together_however_large_it_is():
    state = started(train={"batch_size": 500})
    assert Evaluation(state.config, state.held_out).together == 500


def test_evaluating_leaves_streams_mode_and_gradients_as_they_were():
    state = started(model={"dropout": 0.5})
    begin(state)
    before = torch.get_rng_state(), state.batches.get_state()
    first = evaluated(state)
    assert evaluated(state) == first
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(state.batches.get_state(), before[1])
    assert all(module.training for module in state.model.modules())
    assert all(parameter.grad is None for parameter in state.model.parameters())


@pytest.mark.parametrize("changes", [{}, {"model": {"dropout": 0.3}}])
def test_looking_after_every_step_changes_no_bit_of_the_training(changes):
    state, losses = started(**changes), []

    def looking(records):
        evaluated(state)
        losses.extend(records[0].losses)
        return ()

    ENGINES["plain"](state, looking)
    assert losses == train("plain", config_of(**changes))


def test_windows_hang_on_the_data_seed_alone_and_a_smaller_batch_has_the_first_of_them():
    def starts(**changes):
        state = started(**changes)
        return Evaluation(state.config, state.held_out).starts

    first = starts()
    assert torch.equal(starts(seed={"model": 1}, optimizer={"lr": 0.5}), first)
    assert not torch.equal(starts(seed={"data": 43}), first)
    assert torch.equal(starts(train={"batch_size": 2}), first[:16])


def test_the_windows_seed_is_fixed_and_another_than_the_batches():
    assert window_seed(42) == 4278579418412285613
    assert len({window_seed(seed) for seed in range(1000)} - set(range(1000))) == 1000


def test_a_run_that_holds_nothing_out_has_no_evaluation():
    state = started(data={"holdout": 0.0})
    assert evaluation_of(state.config, state.held_out, lambda: state.model) is None


def test_a_stacked_runs_value_is_that_of_plain_on_its_weights_to_the_bit():
    configs = [
        config_of(model={"dropout": 0.1}),
        config_of(model={"embed_dim": 4}, optimizer={"name": "sgd", "lr": 0.1}),
        config_of(seed={"model": 5, "data": 7}),
    ]
    runs = start_runs((config, make_corpus(config)) for config in configs)
    checkpoints = Checkpoints()
    evaluate = [checkpoints.evaluation_of(run) for run in runs]
    seen = []

    def looking(records):
        seen.append([one() for one in evaluate])
        for run, value in zip(runs, seen[-1], strict=True):
            model = GPT.from_config(run.config.model)
            run.write_weights(model)
            assert Evaluation(run.config, run.held_out).loss(model) == value
        return ()

    train_stacked(runs, looking, chunk_steps=4)
    assert len(seen) == 3
    for config, value in zip(configs, seen[-1], strict=True):
        state = start(config, make_corpus(config))
        ENGINES["plain"](state, Recorder())
        if not config.model.dropout:  # which the engines draw from different streams
            assert evaluated(state) == pytest.approx(value, abs=2e-6)


def test_a_stacks_chunks_end_where_a_run_is_to_be_evaluated():
    configs = [config_of(train={"eval_every": 5}), config_of(train={"steps": 7})]
    runs = start_runs((config, make_corpus(config)) for config in configs)
    ends = {0: set(), 1: set()}

    def hook(records):
        for record in records:
            ends[record.run].add(runs[record.run].step)
        return ()

    train_stacked(runs, hook, chunk_steps=100)
    assert ends[0] >= {5, 10, 12}
    assert ends[1] >= {7}
