"""A report's page, read by the standard library alone: its numbers, cells, sentences and plots."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from html.parser import HTMLParser
from typing import NamedTuple


class Number(NamedTuple):
    """A `<data>` element: where it stands, which number it is, how it is shown, what it is.

    `title` is what is under the mouse, and `whole` what `value` was read from.
    """

    section: str
    row: str
    key: str
    shown: str
    title: str
    whole: str
    value: float


class Piece(NamedTuple):
    """A sentence, a heading, a fact: all text that stands in no table."""

    section: str
    tag: str
    text: str


class Cell(NamedTuple):
    """A cell of a table: what it says, what it sorts by, where it leads, and its number whole."""

    text: str
    order: str | None
    address: str
    whole: str | None


SILENT = ("script", "style")
PIECES = (
    *("p", "li", "h1", "h2", "h3", "dt", "dd", "figcaption", "output", "pre", "title"),
    *("caption", "summary", "article", "section", "header", "nav", "main", "body", "html"),
)
"""What a sentence stands in; its text is taken whole, with what is marked in it."""


class ReportPage(HTMLParser):
    """`numbers` are all `<data>`; `tables` are by id, row and column; `pieces` are all other texts,
    by section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[Number] = []
        self.cards: list[tuple[str, str]] = []
        self.tables: dict[str, dict[str, dict[str, Cell]]] = {}
        self.pieces: list[Piece] = []
        self.plots: dict[str, dict] = {}
        self._section, self._row, self._table = "", "", ""
        self._columns: list[str] = []
        self._cells: list[Cell] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(page)

    def of(self, section: str) -> dict[str, dict[str, float]]:
        """The numbers of a section, by row and key."""
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for number in self.numbers:
            if number.section == section:
                assert number.key not in found[number.row] or number.key == "final"
                found[number.row][number.key] = number.value
        return found

    def texts(self, section: str) -> list[str]:
        """All that a section says beside its tables, headings and terms left out."""
        left_out = ("h2", "dt", "summary", "caption")
        return [p.text for p in self.pieces if p.section == section and p.tag not in left_out]

    def definitions(self, section: str) -> dict[str, str]:
        """What a section tells as pairs of a term and its value."""
        terms = [piece for piece in self.pieces if piece.section == section]
        pairs = itertools.pairwise(terms)
        return {a.text: b.text for a, b in pairs if (a.tag, b.tag) == ("dt", "dd")}

    def traces(self, plot: str) -> list[dict]:
        return self.plots[plot]["data"]

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("input", "meta", "wbr"):
            return
        if tag == "section":
            self._section = given["id"]
        if tag == "div" and given.get("class") == "table":
            self._table = given["id"]
            self.tables[self._table], self._columns = {}, []
        if tag == "tr":
            self._cells = []
        if tag == "article":
            self.cards.append((given["data-a"], given["data-b"]))
            self._row = " - ".join(self.cards[-1])
        if "data-row" in given:
            self._row = given["data-row"]
        self._open.append((tag, given, []))

    def handle_data(self, data):
        if self._open:
            self._open[-1][2].append(data)

    def handle_endtag(self, tag):
        opened, given, texts = self._open.pop()
        assert opened == tag
        text = "".join(texts)
        if tag == "script" and given.get("id") == "plots":
            self.plots = json.loads(text)
        elif tag == "data":
            place = (self._section, self._row, given["data-key"])
            whole = given["value"]
            self.numbers.append(Number(*place, text, given["title"], whole, float(whole)))
        elif tag in ("td", "th") and given.get("scope") != "col":
            self._cells.append(
                Cell(text, given.get("data-order"), given.get("href", ""), given.get("whole"))
            )
        elif given.get("scope") == "col":
            self._columns.append(text)
        elif tag == "tr" and self._cells:
            cells = dict(zip(self._columns, self._cells, strict=True))
            assert self._row not in self.tables[self._table] or self._section == "claims"
            self.tables[self._table][self._row] = cells
        elif tag in PIECES and text.strip():
            self.pieces.append(Piece(self._section, tag, text))
        elif tag not in (*PIECES, *SILENT) and self._open:
            self._open[-1][2].append(text)
        if tag == "span" and "data-row" in given:
            self._row = " - ".join(self.cards[-1])
        if tag == "data":
            self._open[-1][2].append(text)
            self._open[-1][1]["whole"] = given["value"]
        if tag == "a":
            self._open[-1][1]["href"] = given["href"]
        if tag == "section":
            self._section = ""
