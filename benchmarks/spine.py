"""How fast the spine is, and how large: `python benchmarks/spine.py` prints one table.

Each case is a module with `measure(rounds)`, imported only when it is asked for. To add one: a
module, a line in ``CASES``, and its sentence in README.md.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from figures import markdown_table, plain_table

ROUNDS = 7

CASES = {
    "commands": "the commands at the prompt: --help, validate",
    "whole_sweep": "the first and the second run of experiments.yaml",
    "recording": "tracking a 200-step run, against nothing and against log_metric",
    "hook": "engine plain against engine bare",
    "encoding": "a text of 1 MB to token ids",
    "memory": "growth of memory over 20,000 steps (a minute)",
    "matrix": "10,000 runs planned: loaded, expanded, fingerprinted, grouped, stacked",
}


def main() -> None:
    arguments = _arguments()
    from machine import description

    print(description(), end="\n\n")
    figures = []
    for name in arguments.only or CASES:
        print(f"measuring: {CASES[name]} ...", file=sys.stderr)
        figures += importlib.import_module(name).measure(arguments.rounds)
    table = markdown_table if arguments.markdown else plain_table
    print(table(figures))


def _arguments() -> argparse.Namespace:
    cases = "\n".join(f"  {name:12} {text}" for name, text in CASES.items())
    parser = argparse.ArgumentParser(
        description="Print how fast and how large the spine is.",
        epilog=f"cases:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=_at_least_one, default=ROUNDS, help=f"of each figure (default {ROUNDS})"
    )
    parser.add_argument(
        "--only", action="append", choices=CASES, metavar="NAME", help="one case; repeatable"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


if __name__ == "__main__":
    main()
