from __future__ import annotations

import pytest

from harness.errors import (
    HarnessError,
    Problem,
    StoreInUse,
    SweepFileError,
    counted,
    escape,
    nearest,
    shorten,
    show,
)


def test_a_problem_says_where_and_which_key_and_points_with_a_caret():
    problem = Problem("f.yaml", 2, 5, "a.b", "is wrong", "xx: yy")
    assert str(problem) == "f.yaml:2:5: a.b: is wrong\n    xx: yy\n        ^"


def test_a_problem_of_the_whole_file_or_of_a_flag_has_no_place():
    assert str(Problem("f.yaml", 0, 0, "", "is wrong")) == "f.yaml: is wrong"
    assert str(Problem("--set a=1", 0, 0, "a", "no")) == "--set a=1: a: no"


def test_the_caret_stands_under_its_character_whatever_comes_before_it():
    shown, caret = str(Problem("f", 1, 3, "", "m", "\t\x1bx")).splitlines()[1:]
    assert shown == r"    \t\x1bx"
    assert shown[caret.index("^")] == "x"


@pytest.mark.parametrize("column", [1, 60, 130, 500, 1000])
def test_a_long_line_is_cut_round_the_caret(column):
    source = "".join(chr(ord("a") + i % 26) for i in range(1000))
    shown, caret = str(Problem("f", 1, column, "", "m", source)).splitlines()[1:]
    assert len(shown) <= 130
    assert shown[caret.index("^")] == source[column - 1]


def test_a_file_error_holds_every_problem():
    problems = [Problem("f", 1, 1, "", "one"), Problem("f", 2, 1, "", "two")]
    error = SweepFileError(problems)
    assert str(error) == "f:1:1: one\nf:2:1: two"
    assert error.problems == tuple(problems)
    assert issubclass(StoreInUse, HarnessError)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (None, "null"),
        (-0.1, "-0.1"),
        ("text", "'text'"),
        ("a\n\x1b", repr("a\n\x1b")),
        ("x" * 90, "'" + "x" * 76 + "..."),
        ({"a": 1}, "a mapping"),
        ([1, None, True, "a", {"b": 1}], "[1, null, true, 'a', a mapping]"),
        (tuple(range(9)), "a list of 9"),
        ((), "[]"),
        (10**40 - 1, "9" * 40),
        (10**40, "a whole number of 41 digits"),
        (-(10**40), "a whole number of 41 digits"),
        ([10**5000], "[a whole number of 5,001 digits]"),
        ([["y" * 90]], "[['" + "y" * 74 + "..."),
    ],
)
def test_a_value_is_shown_as_the_file_would_write_it(value, shown):
    assert show(value) == shown
    assert len(show(value)) <= 80


def test_text_is_escaped_and_cut():
    assert escape("a\x1b\n\ud800ä") == r"a\x1b\n\ud800ä"
    assert shorten("x" * 80) == "x" * 80
    assert shorten("x" * 81) == "x" * 77 + "..."
    assert len(shorten("\x1b" * 50)) == 80


def test_the_nearest_name_is_near():
    assert nearest("batch_sise", ["seq_len", "batch_size"]) == "batch_size"
    assert nearest("zebra", ["seq_len", "batch_size"]) is None


def test_a_number_has_its_noun():
    assert [counted(n, "run") for n in (0, 1, 1200)] == ["0 runs", "1 run", "1,200 runs"]
