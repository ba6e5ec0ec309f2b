"""Tables: folded for a reader at a terminal, a line a row for a program or where they are long."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from harness.cli.tables import MOST_FOLDED, print_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(num_rows: int, stdout: io.StringIO) -> list[str]:
    rows = [["word " * 40, "1"] for _ in range(num_rows)]
    with contextlib.redirect_stdout(stdout):
        print_table(["text", "n"], rows, right=[1])
    return re.sub(r"\x1b\[[0-9;]*m", "", stdout.getvalue()).splitlines()


@pytest.mark.parametrize(
    ("num_rows", "stdout", "folded"),
    [
        (3, Terminal(), True),
        (3, io.StringIO(), False),
        (MOST_FOLDED + 1, Terminal(), False),
    ],
)
def test_a_long_cell_is_folded_at_a_terminal_while_there_are_few_rows(
    num_rows, stdout, folded, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "60")
    lines = printed(num_rows, stdout)
    if folded:
        assert len(lines) > num_rows * 3
        assert max(map(len, lines)) <= 60
    else:
        assert lines[0].split() == ["text", "n"]
        assert lines[1:] == [f"{'word ' * 40}  1"] * num_rows


def test_columns_are_in_line_where_letters_are_two_columns_wide(capsys):
    print_table(["name", "n"], [["日本", "1"], ["abcd", "2"], ["a\tb", "3"]])
    assert capsys.readouterr().out.splitlines() == ["name  n", "日本  1", "abcd  2", "a\\tb  3"]
