"""Where `stacked` overtakes `plain`, and what `engine: auto` takes: `python benchmarks/engines.py`.

For each shape of a grid: the seconds a step of `plain` on one thread, as the product runs it, over
the seconds a run and step of `stacked`, for a run alone (15 lanes empty) and for 16 runs. Rows are
sorted by the arithmetic of a step (`step_flops`), the number that `auto` decides by, so that the
threshold can be read off: the place where the column of one run falls to 1. Set-up is not timed:
both engines go on where the round before left them.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import itertools
import sys
from collections.abc import Callable
from typing import Any

from figures import Spread, in_line, in_markdown, shown
from machine import description
from rounds import Pairs, seconds

from harness.spec.records import LossRecord
from harness.spec.run_config import RunConfig
from harness.spec.work import step_flops
from harness.text.corpora import Corpus, open_corpus
from harness.text.sources import Source

ROUNDS = 5
SLICE_S = 0.02  # what one timing is to take, about; a step at least
HEADER = ("shape", "MFLOP a step", "plain / stacked, 1 run", "min to max")
HEADER += ("plain / stacked, 16 runs", "min to max", "auto")
NEVER = 10**9  # steps: every run stops because it is told to


@dataclasses.dataclass(frozen=True)
class Shape:
    """What decides the work of a step, and two settings that the rule leaves out."""

    C: int
    B: int
    T: int
    N: int
    V: int
    dropout: float = 0.0
    threads: int = 1
    context: int = 64

    def __str__(self) -> str:
        text = f"C{self.C} B{self.B} T{self.T} N{self.N} V{self.V}"
        text += f" dropout {self.dropout}" if self.dropout else ""
        text += f" max_seq_len {self.context}" if self.context != 64 else ""
        return text + (f" threads {self.threads}" if self.threads > 1 else "")

    def config(self) -> RunConfig:
        """A run of this shape that says `engine: auto`."""
        return RunConfig.model_validate(
            {
                "model": {
                    "embed_dim": self.C,
                    "num_heads": 2 if self.C < 16 else 4,
                    "num_layers": self.N,
                    "max_seq_len": self.context,
                    "dropout": self.dropout,
                    "vocab_size": self.V,
                },
                "data": {"text": "".join(map(chr, range(33, 37))), "repeat": 64},
                "optimizer": {"name": "adamw", "lr": 1e-3},
                "train": {
                    "steps": NEVER,
                    "batch_size": self.B,
                    "seq_len": self.T,
                    "threads": self.threads,
                },
            }
        )


SHAPES = [
    Shape(C, B, T, N, V)
    for (N, V), C, B, T in itertools.product(
        [(2, 65), (4, 4)], [8, 16, 32, 64], [4, 16], [8, 16, 32, 64]
    )
]
SHAPES += [Shape(C, 4, 16, 2, 65, dropout=0.1) for C in (8, 16, 32)]
SHAPES += [Shape(C, 4, 16, 2, 65, threads=2) for C in (8, 16, 32)]
SHAPES += [Shape(8, 1, 8, 2, 4096), Shape(8, 4, 7, 2, 4096), Shape(8, 4, 8, 2, 4, context=65536)]


def main() -> None:
    arguments = _arguments()
    print(description(), end="\n\n")
    shapes = sorted(SHAPES, key=lambda shape: _flops(shape.config()))
    rows = [HEADER, *(row(shape, arguments.rounds) for shape in shapes)]
    print((in_markdown if arguments.markdown else in_line)(rows))


def row(shape: Shape, rounds: int) -> tuple[str, ...]:
    """One shape's ratios, and which engine `auto` takes for it."""
    print(f"measuring: {shape} ...", file=sys.stderr)
    config = shape.config()
    data = config.data
    corpus = open_corpus(Source("text", str(data.text)), "chars", data.repeat, None, write=False)
    alone, lone, full = (
        _plain(config, corpus),
        _stack(config, corpus, 1),
        _stack(config, corpus, 16),
    )
    gc.freeze()  # or each timing would wait 0.1 s for the garbage of all imports
    timed = [(alone(), lone(), full() / 16) for _ in range(rounds + 1)][1:]
    plain, one, many = zip(*timed, strict=True)
    cells = [*_cells(Pairs(plain, one).ratio()), *_cells(Pairs(plain, many).ratio())]
    return (str(shape), shown(_flops(config) / 1e6), *cells, config.engine)


def _plain(config: RunConfig, corpus: Corpus) -> Callable[[], float]:
    """Seconds a step of the loop; each call goes on with the run."""
    from harness.train import plain
    from harness.train.state import start

    state = start(config, corpus)
    steps = _steps(2e-3 + _flops(config) / 2e10)

    def timed() -> float:
        until = state.step + steps
        return seconds(lambda: plain.train(state, _stop_at(until))) / steps

    return timed


def _stack(config: RunConfig, corpus: Corpus, num_runs: int) -> Callable[[], float]:
    """Seconds a step of a whole stack; each call goes on with its runs."""
    from harness.train.stacked.driver import train
    from harness.train.stacked.run import start_runs

    seeds = [config.seed.model_copy(update={"model": i, "data": 42 + i}) for i in range(num_runs)]
    configs = [config.model_copy(update={"seed": seed}) for seed in seeds]
    runs = list(start_runs((config, corpus) for config in configs))
    steps = _steps(3e-5 + 16 * _flops(config) / 4e10)
    threads = config.train.threads

    def timed() -> float:
        everyone = range(num_runs)
        taken = seconds(lambda: train(runs, lambda _: everyone, threads=threads, chunk_steps=steps))
        return taken / steps

    return timed


def _last_step(records: list[LossRecord]) -> int:
    return records[-1].first_step + len(records[-1].losses) - 1


def _stop_at(step: int) -> Callable[[list[LossRecord]], Any]:
    return lambda records: (0,) if _last_step(records) >= step else ()


def _steps(seconds_a_step: float) -> int:
    return max(1, round(SLICE_S / seconds_a_step))


def _flops(config: RunConfig) -> int:
    return step_flops(config.model, config.train)


def _cells(ratio: Spread) -> tuple[str, str]:
    return shown(ratio.value), f"{shown(ratio.low)} to {shown(ratio.high)}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Print where stacked training overtakes plain.")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of each shape (default {ROUNDS})"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
