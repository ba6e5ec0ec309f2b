import math

import pytest
import torch
from chapter_run import Recorder, make_config, make_corpus, train

from harness.errors import UsageError
from harness.gpt.batch import get_batch
from harness.gpt.model import GPT
from harness.gpt.seed import set_seed
from harness.spec.records import LossRecord
from harness.spec.run_config import RunConfig
from harness.train.engines import ENGINES
from harness.train.state import deterministic, start

SHORT = {"steps": 40}


def chapters_loop(config: RunConfig) -> list[float]:
    """Section 14.5 as it stands in the tutorial, on torch's global random state alone."""
    torch.set_num_threads(config.train.threads)
    set_seed(config.seed.model)
    model = GPT(vocab_size=4, **config.model.model_dump(exclude={"vocab_size"}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.optimizer.lr)
    data = torch.tensor([0, 1, 2, 3] * 64, dtype=torch.long)
    set_seed(config.seed.data)
    losses = []
    for _ in range(config.train.steps):
        x, y = get_batch(data, config.train.batch_size, config.train.seq_len)
        optimizer.zero_grad()
        _, loss = model(x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_equals_the_chapters_loop_bit_for_bit(engine: str) -> None:
    config = make_config(train=SHORT)
    assert train(engine, config) == chapters_loop(config)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": {"dropout": 0.1}},
        {"model": {"dropout": 0.1}, "train": {"batch_size": 1}},
        {"seed": {"model": 7, "data": 3}},
        {"optimizer": {"name": "sgd", "lr": 0.1}},
        {"optimizer": {"name": "adamw", "lr": 1.0}},
        {"train": {"batch_size": 16, "seq_len": 1}},
    ],
)
def test_bare_equals_plain_bit_for_bit(changes: dict[str, dict[str, object]]) -> None:
    config = make_config(**{**changes, "train": {**SHORT, **changes.get("train", {})}})
    assert train("bare", config) == train("plain", config)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_losses_do_not_depend_on_what_the_process_did_before(engine: str, dropout: float) -> None:
    config = make_config(model={"dropout": dropout}, train=SHORT)
    first = train(engine, config)
    torch.manual_seed(12345)
    torch.rand(17)
    torch.set_num_threads(2)
    train(engine, make_config(seed={"model": 5, "data": 6}, train={"steps": 3, "threads": 2}))
    assert train(engine, config) == first


@pytest.mark.parametrize("engine", ENGINES)
def test_runs_may_be_started_together_and_trained_one_after_the_other(engine: str) -> None:
    config = make_config(model={"dropout": 0.1}, train=SHORT)
    corpus = make_corpus(config)
    states = [start(config, corpus), start(config, corpus)]
    recorders = [Recorder(), Recorder()]
    for state, recorder in zip(states, recorders, strict=True):
        ENGINES[engine](state, recorder)
    assert recorders[0].losses == recorders[1].losses == train(engine, config)


def test_dropout_and_batches_are_two_streams() -> None:
    """The batches of a run with dropout are those of the run without."""
    batches = {}
    for dropout in (0.0, 0.1):
        state = start(*with_corpus(make_config(model={"dropout": dropout}, train=SHORT)))
        ENGINES["plain"](state, Recorder())
        batches[dropout] = state.batches.get_state()
    assert torch.equal(batches[0.0], batches[0.1])


def with_corpus(config: RunConfig):
    return config, make_corpus(config)


def test_plain_tells_its_hook_of_every_step_and_bare_once_at_the_end() -> None:
    config = make_config(train={"steps": 5})
    for engine, num_calls in (("plain", 5), ("bare", 1)):
        recorder = Recorder()
        ENGINES[engine](start(*with_corpus(config)), recorder)
        assert recorder.num_calls == num_calls
        assert [
            (record.run, record.first_step + i)
            for record in recorder.records
            for i, _ in enumerate(record.losses)
        ] == [(0, n) for n in range(1, 6)]
        assert all(isinstance(record, LossRecord) for record in recorder.records)


def test_plain_stops_where_its_hook_says() -> None:
    recorder = Recorder(stop_at=3)
    state = start(*with_corpus(make_config(train={"steps": 5})))
    ENGINES["plain"](state, recorder)
    assert (state.step, len(recorder.records)) == (3, 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_that_is_not_finite_is_passed_on(engine: str) -> None:
    config = make_config(optimizer={"name": "sgd", "lr": 1e6}, train={"steps": 30})
    losses = train(engine, config)
    assert len(losses) == 30
    assert not math.isfinite(losses[-1])


def test_the_vocabulary_may_be_larger_than_the_tokenizers() -> None:
    state = start(*with_corpus(make_config(model={"vocab_size": 9})))
    assert state.model.token_embedding.weight.shape == (9, 8)
    assert state.config.model.vocab_size == 9
    assert start(*with_corpus(make_config())).config.model.vocab_size == 4


def test_threads_are_those_of_the_config() -> None:
    start(*with_corpus(make_config(train={"threads": 2})))
    assert torch.get_num_threads() == 2


def test_a_device_that_is_not_there_is_a_usage_error() -> None:
    config = make_config(train={"device": "cuda:99"})
    with pytest.raises(UsageError, match=r"train\.device: cuda:99 is not on this machine, which h"):
        start(*with_corpus(config))


def test_cpu_runs_are_deterministic_and_gpu_runs_with_a_fixed_workspace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_cuda = make_config(train={"device": "cuda"})
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    assert deterministic(make_config())
    assert deterministic(on_cuda)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    assert not deterministic(on_cuda)
