from __future__ import annotations

import math

import pytest

from harness.spec.scalars import resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-2", 0.01),
        ("1E+2", 100.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("+1.5", 1.5),
        ("0123", 123),
        ("-7", -7),
        ("+7", 7),
        ("0x10", 16),
        ("0o17", 15),
        ("-.inf", -math.inf),
        (".Inf", math.inf),
        ("1e999", math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("NULL", None),
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says(text, value):
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


def test_nan_is_a_number():
    assert math.isnan(resolve(".nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "1:30", "1_000", "0b1", "1e", "e5", "-", ".", "+.e3", "0x", "0o8",
     "-0x10", "tRue", "nan", "inf", "2024-01-01", "1 2", "١٢"],
)  # fmt: skip
def test_what_yaml_1_1_or_python_read_otherwise_stays_text(text):
    assert resolve(text) == text


def test_a_whole_number_may_have_more_digits_than_python_converts_at_once():
    assert resolve("1" + "0" * 5000) == 10**5000
    assert resolve("-1" + "0" * 9000) == -(10**9000)


def test_beyond_ten_thousand_characters_digits_are_text():
    assert resolve("9" * 10_001) == "9" * 10_001
