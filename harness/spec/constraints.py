"""Constraints on what is known of a trial before it trains: `params <= 5000`.

A trial that breaks one is not trained. The grammar is one comparison of a quantity with a whole
number, read by a regular expression; nothing is evaluated.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import PlainValidator

from harness.errors import show
from harness.spec.refusals import Refusal, raise_refusals
from harness.spec.wording import unknown_name

QUANTITIES: dict[str, str] = {
    "params": "the model's parameters",
    "tokens": "the tokens that the run trains on: steps x batch_size x seq_len",
}

_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_GRAMMAR = re.compile(r"\s*(\w+)\s*(<=|<|>=|>)\s*(\d[\d_]{0,18})(?:[eE]\+?(\d{1,2}))?\s*", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Constraint:
    """`quantity operator bound`, the quantity one of `QUANTITIES`, the bound a whole number."""

    quantity: str
    operator: str
    bound: int

    def holds(self, value: int) -> bool:
        """Whether a trial whose quantity is `value` may be trained."""
        return _OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.quantity} {self.operator} {self.bound}"


def parse_constraint(text: object) -> Constraint:
    """A constraint from its text; raises pydantic's ValidationError.

    >>> parse_constraint("params <= 5e3")
    Constraint(quantity='params', operator='<=', bound=5000)
    """
    match = _GRAMMAR.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        message = f"must read like 'params <= 5000' (<, <=, > or >=), got {show(text)}"
        raise_refusals("constraint", [Refusal((), message)])
    assert match is not None
    quantity, sign, digits, exponent = match.groups()
    if quantity not in QUANTITIES:
        message = unknown_name("quantity", quantity, QUANTITIES)
        raise_refusals("constraint", [Refusal((), message)])
    return Constraint(quantity, sign, int(digits) * 10 ** int(exponent or 0))


ConstraintField = Annotated[
    Constraint, PlainValidator(parse_constraint, json_schema_input_type=str)
]
