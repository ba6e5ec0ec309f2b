from __future__ import annotations

import csv
import io
import math
from html.parser import HTMLParser

import pandas as pd
import pytest

from harness.report.formats import cell, csv_text, html_page, markdown, shown_columns

EVIL = "<script>alert(1)</script>"


def frame_of(**columns: list) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame(
        {
            "name": [f"run {i}" for i in range(rows)],
            "experiment": ["e"] * rows,
            "state": ["finished"] * rows,
            "n": [1] * rows,
            "final": [0.5] * rows,
            "low": [math.nan] * rows,
            "high": [math.nan] * rows,
            **columns,
        }
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.34531, "0.3453"),
        (0.0, "0.0000"),
        (1e-3, "0.0010"),
        (9.99e-4, "9.990e-04"),
        (-12.5, "-12.5000"),
        (12345.6, "1.235e+04"),
        (math.nan, ""),
        (None, ""),
        (3, "3"),
        ("x", "x"),
    ],
)
def test_a_cell_shows_four_decimals_and_nothing_for_what_is_missing(value, text):
    assert cell(value) == text


def test_columns_without_content_are_not_shown():
    frame = frame_of(empty=["", ""], lr=["1", "2"])
    assert shown_columns(frame) == ["name", "state", "final", "lr"]
    frame["n"] = [1, 3]
    frame["low"] = [math.nan, 0.25]
    assert shown_columns(frame) == ["name", "state", "n", "final", "low", "lr"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_text_that_a_spreadsheet_would_run(start):
    text = f"{start}HYPERLINK(1)"
    (row,) = csv.DictReader(io.StringIO(csv_text(frame_of(name=[text])), newline=""))
    assert row["name"] == f"'{text}"


def test_csv_has_all_columns_with_full_precision_and_nothing_for_what_is_missing():
    frame = frame_of(final=[1 / 3, math.nan], low=[-0.25, math.nan], text=['a "b", c', "x\ny"])
    rows = list(csv.DictReader(io.StringIO(csv_text(frame), newline="")))
    assert list(rows[0]) == [str(column) for column in frame.columns]
    assert float(rows[0]["final"]) == 1 / 3
    assert rows[0]["low"] == "-0.25"  # a number is no formula
    assert rows[1]["final"] == ""
    assert [row["text"] for row in rows] == ['a "b", c', "x\ny"]
    assert rows[0]["n"] == "1"


def test_markdown_is_a_table_whose_cells_cannot_break_it():
    text = markdown(frame_of(name=["a|b", EVIL], lr=["x\ny", "1"]))
    head, rule, *rows = text.splitlines()
    assert head == "| name | state | final | lr |"
    assert rule == "|---|---|---:|---|"
    assert rows[0] == r"| a\|b | finished | 0.5000 | x y |"
    assert rows[1].startswith("| &lt;script&gt;alert(1)&lt;/script&gt; |")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("[x](http://example.org)", r"\[x\](http://example.org)"),
        ("*a* _b_ ~c~", r"\*a\* \_b\_ \~c\~"),
        ("`x` \\", r"\`x\` \\"),
        ("a\r\nb\rc", "a b c"),
    ],
)
def test_a_setting_is_no_markdown(words, shown):
    lines = markdown(frame_of(**{"data.text": [words]})).split("\n")
    assert lines[2:] == [f"| run 0 | finished | 0.5000 | {shown} |", ""]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("href", "src") and value]
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_the_page_shows_names_as_text_and_refers_to_nothing_outside():
    page = Page()
    page.feed(html_page(frame_of(name=[EVIL, "a & b"]), "<svg></svg>", title=f"t {EVIL}"))
    assert "script" not in page.tags
    assert page.cells[3] == EVIL
    assert page.cells[6] == "a & b"
    assert page.links == []
    assert page.tags.count("tr") == 3
    assert page.tags[0] == "html"
    assert "svg" in page.tags
