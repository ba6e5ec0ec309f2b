from __future__ import annotations

import re

import pytest

from harness.spec.search_claims import BestClaim, BetterThan, parse_search_claim
from harness.spec.space import parse_space

SPACE = parse_space(
    {
        "optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True},
        "optimizer.name": {"choices": ("adamw", "sgd")},
        "train.batch_size": {"choices": (1, 4, 16)},
    }
)


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        (
            {"best": "optimizer.lr", "between": (0.05, 0.2)},
            "best optimizer.lr between 0.05 and 0.2",
        ),
        ({"best": "value", "below": 0.01}, "best value below 0.01"),
        ({"best": "value", "above": 1}, "best value above 1"),
        ({"best": "optimizer.name", "equals": "adamw"}, "best optimizer.name equals adamw"),
        ({"best": "train.batch_size", "above": 3}, "best train.batch_size above 3"),
        ({"better_than": {"search": "sgd-lr"}}, "best value better than that of sgd-lr"),
    ],
)
def test_a_claim_says_itself_in_one_line(claim, text):
    parsed = parse_search_claim(claim)
    assert parsed.text == text
    assert isinstance(parsed, BetterThan) or not list(parsed.refusals(SPACE))


@pytest.mark.parametrize(
    ("claim", "holding", "failing"),
    [
        ({"between": (1, 2)}, [1, 1.5, 2], [0.9, 2.1, None, "1", True, float("nan")]),
        ({"below": 1}, [0.5, float("-inf")], [1, 2, None, float("nan")]),
        ({"above": 1}, [1.5], [1, 0, None, float("nan")]),
        ({"equals": "sgd"}, ["sgd"], ["adamw", None]),
        ({"equals": 4}, [4, 4.0], [5, None]),
        ({"equals": True}, [True], [1, False]),
        ({"equals": None}, [None], [0]),
    ],
)
def test_a_claim_holds_as_it_says(claim, holding, failing):
    parsed = BestClaim(best="value", **claim)
    assert all(parsed.holds(value) for value in holding)
    assert not any(parsed.holds(value) for value in failing)


@pytest.mark.parametrize(
    ("claim", "match", "at"),
    [
        ({"best": "value"}, "exactly one of below, above, between, equals, got none", ()),
        ({"best": "value", "below": 1, "above": 0}, "got below and above", ("above",)),
        ({"best": "value", "below": None}, "must be a number, got null", ("below",)),
        ({"best": "value", "below": "1"}, "valid number", ("below",)),
        ({"best": "value", "below": float("nan")}, "finite", ("below",)),
        ({"best": "value", "between": (2, 1)}, r"at most the second, got \[2, 1\]", ("between",)),
        ({"best": "value", "between": (1,)}, "Field required", ("between", 1)),
        ({"best": "value", "blow": 1}, "unknown key 'blow'; did you mean below", ("blow",)),
        ({"best": 3, "below": 1}, "valid string", ("best",)),
        ({"better_than": "sgd"}, "valid dictionary", ("better_than",)),
        ({"better_than": {}}, "Field required", ("better_than", "search")),
        ({"better_than": {"search": ""}}, "at least 1 character", ("better_than", "search")),
        ({"better_than": {"search": "a"}, "best": "value"}, "unknown key 'best'", ("best",)),
        ({"metric": "train/loss"}, "mapping with best or better_than, got one with metric", ()),
        ({}, "got an empty one", ()),
        ("best", "got 'best'", ()),
    ],
)
def test_a_bad_claim_is_refused_where_it_is_wrong(refused, claim, match, at):
    refused(lambda: parse_search_claim(claim), match, at)


@pytest.mark.parametrize(
    ("claim", "match", "at"),
    [
        (
            {"best": "optimizer.ls", "below": 1},
            r"no parameter of this space is called 'optimizer.ls'; did you mean optimizer.lr\?",
            "best",
        ),
        ({"best": "optimizer.name", "below": 1}, "only equals can be claimed of it", "below"),
        ({"best": "value", "equals": "small"}, "must be a number, got 'small'", "equals"),
    ],
)
def test_a_claim_that_does_not_fit_the_space_is_refused(claim, match, at):
    ((location, message, _),) = parse_search_claim(claim).refusals(SPACE)
    assert location == (at,)
    assert re.search(match, message)
