"""How many times as fast as alone runs train in lock-step: `python benchmarks/stacked.py`.

The yardstick is section 14.5's loop (`bare`) on one thread, and for larger models that loop with
torch's fused AdamW, the fastest that torch has. Ratios are of seconds a run and step; models,
batches' generators and packing are made before the clock starts, but for the figure that says
otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from chapter import chapter_corpus, chapter_run
from figures import Figure, Spread, markdown_table, plain_table
from machine import description
from rounds import Pairs, in_fresh_process, seconds

from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus, open_corpus
from harness.text.sources import Source

ROUNDS = 7
LETTERS = "".join(map(chr, range(33, 98)))  # 65 symbols, like tinyshakespeare's

# What, changes to the chapter's run, runs in the stack, steps of the loop and of the stack, and
# the ratio that must be reached.
Case = tuple[str, dict[str, Any], int, int, int, float]
CHAPTER: list[Case] = [
    ("one run", {}, 1, 60, 200, 8),
    ("16 runs", {}, 16, 60, 200, 250),
    ("64 runs", {}, 64, 60, 200, 250),
    ("256 runs", {}, 256, 60, 200, 250),
    ("1,024 runs", {}, 1024, 60, 200, 250),
]
FUSED: list[Case] = [
    ("16 runs, C8 V4 N2 B16 T8, fused", {"train": {"batch_size": 16}}, 16, 60, 40, 0),
    ("16 runs, C16 V65 N2 B4 T16, fused", {"C": 16, "B": 4, "T": 16}, 16, 60, 200, 40),
    ("16 runs, C32 V65 N2 B4 T32, fused", {"C": 32, "B": 4, "T": 32}, 16, 60, 40, 0),
    ("16 runs, C32 V65 N2 B16 T32, fused", {"C": 32, "B": 16, "T": 32}, 16, 40, 20, 3),
    ("16 runs, C64 V65 N4 B16 T64, fused", {"C": 64, "B": 16, "T": 64, "N": 4}, 16, 10, 3, 0),
]


def main() -> None:
    arguments = _arguments()
    print(description(), end="\n\n")
    table = markdown_table if arguments.markdown else plain_table
    print(table(measure(arguments.rounds)))


def measure(rounds: int) -> list[Figure]:
    """All figures, in the order of the table."""
    figures = compilation()
    for case in CHAPTER + FUSED:
        figures.append(engine(case, rounds))
    return [*figures, second_core(rounds), with_set_up(rounds), memory()]


def engine(case: Case, rounds: int) -> Figure:
    """One case: the loop's seconds a step over the stack's seconds a run and step."""
    what, changes, num_runs, loop_steps, stack_steps, limit = case
    print(f"measuring: {what} ...", file=sys.stderr)
    loop, stack = _loop(changes, loop_steps), _stack(changes, num_runs, stack_steps)
    timed = [(loop(), stack()) for _ in range(rounds + 1)][1:]
    ratio = Pairs(
        tuple(pair[0] / loop_steps for pair in timed),
        tuple(pair[1] / stack_steps / num_runs for pair in timed),
    ).ratio()
    return Figure(f"loop / stacked, {what}", ratio, limit=limit or None, at_least=limit > 0)


def second_core(rounds: int) -> Figure:
    """One thread over two, which share 64 runs of 600 steps.

    Packing and letting go of runs is done by one thread, some 5 ms of the 80 that 150 steps take:
    so short a stack gains 1.6 by the second.
    """
    print("measuring: a second core ...", file=sys.stderr)
    one, two = _stack({}, 64, 600), _stack({}, 64, 600, threads=2)
    timed = [(one(), two()) for _ in range(rounds + 1)][1:]
    ratio = Pairs(tuple(pair[0] for pair in timed), tuple(pair[1] for pair in timed)).ratio()
    return Figure("one thread / two threads, 64 runs x 600 steps", ratio, limit=1.8, at_least=True)


def with_set_up(rounds: int) -> Figure:
    """64 runs x 200 steps from run configs to weights; the loop is timed on one run."""
    from harness.train.stacked.driver import train
    from harness.train.stacked.run import start_runs

    print("measuring: with set-up ...", file=sys.stderr)
    config, corpus = _config({}, 200)

    def alone() -> None:
        from harness.train import bare
        from harness.train.state import start

        bare.train(start(config, corpus), _deaf)

    def together() -> None:
        train(start_runs((_seeded(config, i), corpus) for i in range(64)), _deaf)

    timed = [(seconds(alone) * 64, seconds(together)) for _ in range(rounds + 1)][1:]
    ratio = Pairs(tuple(pair[0] for pair in timed), tuple(pair[1] for pair in timed)).ratio()
    what = "loop / stacked, 64 runs x 200 steps with set-up"
    return Figure(what, ratio, limit=200, at_least=True)


def memory() -> Figure:
    """The most memory of a process that trains 1,024 runs, everything in it."""
    used = in_fresh_process(_peak_of, 1024)
    return Figure("peak memory, 1,024 runs", Spread(used, used, used), "MB", limit=1500)


def compilation() -> list[Figure]:
    """The first step of a process on a machine that never trained so, and of the next process."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (in_fresh_process(_first_step, cache) for _ in range(2))
    return [
        Figure("import and first step, nothing compiled yet", Spread(cold, cold, cold), "s"),
        Figure("import and first step, compiled before", Spread(warm, warm, warm), "s"),
    ]


def _loop(changes: dict[str, Any], steps: int) -> Callable[[], float]:
    from harness.train import bare
    from harness.train.state import start

    fused = {"fused": True} if "C" in changes or changes else {}
    config, corpus = _config(changes, steps, **fused)

    def timed() -> float:
        state = start(config, corpus)
        return seconds(lambda: bare.train(state, _deaf))

    return timed


def _stack(
    changes: dict[str, Any], num_runs: int, steps: int, threads: int = 1
) -> Callable[[], float]:
    from harness.train.stacked.driver import train
    from harness.train.stacked.run import start_runs

    config, corpus = _config(changes, steps)

    def timed() -> float:
        runs = start_runs((_seeded(config, i), corpus) for i in range(num_runs))
        return seconds(lambda: train(runs, _deaf, threads=threads))

    return timed


def _config(changes: dict[str, Any], steps: int, **optimizer: object) -> tuple[RunConfig, Corpus]:
    """The chapter's run with other sizes, and its corpus or one of 65 symbols."""
    run = chapter_run()
    sections = run.config.model_dump()
    sections["train"].update(changes.get("train", {}), steps=steps)
    sections["optimizer"].update(optimizer)
    if "C" not in changes:
        return RunConfig.model_validate(sections), chapter_corpus(run)
    sections["model"].update(
        embed_dim=changes["C"], num_layers=changes.get("N", 2), num_heads=4, vocab_size=65
    )
    sections["train"].update(batch_size=changes["B"], seq_len=changes["T"])
    corpus = open_corpus(Source("text", LETTERS), "chars", 64, None, write=False)
    return RunConfig.model_validate(sections), corpus


def _seeded(config: RunConfig, i: int) -> RunConfig:
    """Another seed and learning rate for each run of a stack."""
    seed = config.seed.model_copy(update={"model": i, "data": 42 + i})
    optimizer = config.optimizer.model_copy(update={"lr": 1e-3 * 1.003**i})
    return config.model_copy(update={"seed": seed, "optimizer": optimizer})


def _deaf(_records: object) -> tuple[int, ...]:
    return ()


def _peak_of(num_runs: int) -> float:
    """MB of 10^6 bytes, as the kernel counts them."""
    import resource

    _stack({}, num_runs, 50)()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _first_step(cache: str) -> float:
    import torch  # noqa: F401  # every engine needs it

    os.environ["NUMBA_CACHE_DIR"] = cache
    began = time.perf_counter()
    _stack({}, 1, 1)()
    return time.perf_counter() - began


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Print how fast stacked training is.")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of each figure (default {ROUNDS})"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
