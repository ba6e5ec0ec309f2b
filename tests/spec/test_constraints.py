from __future__ import annotations

import pytest

from harness.spec.constraints import QUANTITIES, Constraint, parse_constraint


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("params <= 5000", Constraint("params", "<=", 5000)),
        ("  tokens<1_000_000 ", Constraint("tokens", "<", 1_000_000)),
        ("params >= 5e3", Constraint("params", ">=", 5000)),
        ("params > 0", Constraint("params", ">", 0)),
    ],
)
def test_a_constraint_is_one_comparison_with_a_whole_number(text, parsed):
    assert parse_constraint(text) == parsed
    assert parse_constraint(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_a_constraint_holds_as_its_operator_says(operator, below, equal, above):
    constraint = Constraint("params", operator, 10)
    assert [constraint.holds(value) for value in (9, 10, 11)] == [below, equal, above]


@pytest.mark.parametrize(
    "text",
    [
        "params",
        "params <= ",
        "params <= 5.5",
        "params = 5",
        "params <= -1",
        "params <= 5e-3",
        "params <= 5000 or 1",
        "5000 >= params",
        "__import__('os') <= 1",
        "params <= \u0665",
        "params <= " + "9" * 400,
        "",
        7,
        ("params <= 1",),
        None,
    ],
)
def test_anything_else_is_refused_with_an_example(refused, text):
    match = r"must read like 'params <= 5000' \(<, <=, > or >=\), got"
    refused(lambda: parse_constraint(text), match, ())


def test_an_unknown_quantity_is_answered_with_the_nearest_one(refused):
    match = "no quantity is called 'parms'; did you mean params"
    refused(lambda: parse_constraint("parms <= 5"), match, ())
    assert set(QUANTITIES) == {"params", "tokens"}
