"""No digit of a report can change but a test notices: the numbers and points are all checked.

This is about `test_report_verdicts.py`, `test_report_numbers.py` and `test_report_points.py`, whose
tests are run on pages of which one digit was changed.
"""

from __future__ import annotations

import dataclasses
import inspect
import random
import re

import pytest
import test_report_numbers
import test_report_points
import test_report_verdicts
from report_page import ReportPage

NUM_DIGITS = {"markup": 20, "plots": 10}
OF_MARKUP = re.compile(r'>([^<]+)<| (?:value|title|data-order|data-row|data-a|data-b)="([^"]*)"')
OF_PLOTS = re.compile(r'"(?:x|y|array|arrayminus|text)":\[([^\]]*)\]')
CHECKS = [
    test
    for module in (test_report_verdicts, test_report_numbers, test_report_points)
    for name, test in vars(module).items()
    if name.startswith("test_") and "small_report" not in inspect.signature(test).parameters
]
CURVES = ("curves", "best-curves")
NOTICED = (AssertionError, LookupError, ValueError)


def digits_of(page: str) -> dict[str, list[int]]:
    """Where they stand: in the markup, but those of the hour of the page, and in the plots."""
    body, plots = page.index("<body>"), page.index('id="plots">')
    end, made = page.index("<script", body), page.index("This page was made on")
    markup = [found.span(found.lastindex) for found in OF_MARKUP.finditer(page, body, end)]
    points = OF_PLOTS.finditer(page, plots, page.index("</script>", plots))
    spans = {"markup": markup, "plots": [found.span(1) for found in points]}
    return {
        part: [
            i
            for span in found
            for i in range(*span)
            if page[i].isdigit() and i - made not in range(50)
        ]
        for part, found in spans.items()
    }


def is_noticed(checked, page: str) -> bool:
    try:
        shown = ReportPage(page)
        changed = dataclasses.replace(checked, page=shown)
        for check in CHECKS:
            given = {"checked": changed, "shown": shown, "raw": checked.raw}
            asked = inspect.signature(check).parameters
            for name in CURVES if "name" in asked else ("",):
                check(
                    **{
                        key: value
                        for key, value in (given | {"name": name}).items()
                        if key in asked
                    }
                )
    except NOTICED:
        return True
    return False


@pytest.mark.campaign
def test_a_digit_that_is_changed_is_noticed_wherever_it_stands(checked):
    page, drawn = checked.text, random.Random(0)
    assert not is_noticed(checked, page)
    for part, places in digits_of(page).items():
        for i in drawn.sample(places, NUM_DIGITS[part]):
            other = drawn.choice([digit for digit in "0123456789" if digit != page[i]])
            changed = page[:i] + other + page[i + 1 :]
            assert is_noticed(checked, changed), f"{page[i - 60 : i]} [{other}] {page[i : i + 20]}"
