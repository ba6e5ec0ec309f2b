"""Claims as a JUnit file, which a CI system shows as tests.

One suite an experiment or a search, one case a claim of a run or of the search; a claim that does
not hold is a failure with what was observed, one that cannot be decided is skipped, a run or a
trial that failed is an error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from harness.errors import escape


class DecidedClaim(Protocol):
    """What is known of a claim of a run or of a search; ``holds`` is None where undecided."""

    @property
    def text(self) -> str:
        """The claim in a line."""

    @property
    def holds(self) -> bool | None:
        """Whether it holds."""

    @property
    def observed(self) -> object:
        """What was seen; None for nothing."""

    @property
    def detail(self) -> str:
        """What there is to say besides."""


class Checked(NamedTuple):
    """A run, a search or a trial as the file shows it; ``error`` is why it failed, if it did.

    ``suite`` is its experiment, or its search.
    """

    name: str
    suite: str
    claims: Sequence[DecidedClaim] = ()
    error: str = ""


def junit_xml(sweep: str, checked: Sequence[Checked]) -> str:
    """The file's text."""
    root = ET.Element("testsuites", name=escape(sweep))
    suites: dict[str, list[Checked]] = {}
    for one in checked:
        suites.setdefault(one.suite, []).append(one)
    for name, members in suites.items():
        suite = ET.SubElement(root, "testsuite", name=escape(name))
        for one in members:
            _add(suite, sweep, one)
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
        suite.set("tests", str(len(suite)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ET.Element, sweep: str, checked: Checked) -> None:
    classname = escape(f"{sweep}.{checked.name}")
    if checked.error:
        case = ET.SubElement(suite, "testcase", classname=classname, name="training")
        ET.SubElement(case, "error", message=escape(checked.error))
    for claim in checked.claims:
        case = ET.SubElement(suite, "testcase", classname=classname, name=escape(claim.text))
        observed = "nothing" if claim.observed is None else repr(claim.observed)
        text = escape(f"observed {observed}" + (f" ({claim.detail})" if claim.detail else ""))
        if claim.holds is None:
            ET.SubElement(case, "skipped", message=escape(claim.detail or "not decided"))
        elif not claim.holds:
            ET.SubElement(case, "failure", message=text)
        else:
            ET.SubElement(case, "system-out").text = text
