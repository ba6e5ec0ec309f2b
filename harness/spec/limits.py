"""Limits that the command line names too; nothing to import, so that `--help` is quick."""

MAX_RUNS = 10_000
