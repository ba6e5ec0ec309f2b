"""Claims as a JUnit file, which a CI system shows as tests.

One suite an experiment, one case a claim of a run; a claim that does not hold is a failure with
what was observed, one that cannot be decided is skipped, a run that failed is an error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NamedTuple

from harness.errors import escape
from harness.report.claims import ClaimResult


class CheckedRun(NamedTuple):
    """A run as the file shows it; ``error`` is the reason why it failed, if it did."""

    name: str
    experiment: str
    claims: tuple[ClaimResult, ...]
    error: str = ""


def junit_xml(sweep: str, runs: Sequence[CheckedRun]) -> str:
    """The file's text."""
    root = ET.Element("testsuites", name=escape(sweep))
    suites: dict[str, list[CheckedRun]] = {}
    for run in runs:
        suites.setdefault(run.experiment, []).append(run)
    for experiment, members in suites.items():
        suite = ET.SubElement(root, "testsuite", name=escape(experiment))
        for run in members:
            _add_run(suite, sweep, run)
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
        suite.set("tests", str(len(suite)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_run(suite: ET.Element, sweep: str, run: CheckedRun) -> None:
    classname = escape(f"{sweep}.{run.name}")
    if run.error:
        case = ET.SubElement(suite, "testcase", classname=classname, name="training")
        ET.SubElement(case, "error", message=escape(run.error))
    for claim in run.claims:
        case = ET.SubElement(suite, "testcase", classname=classname, name=escape(claim.text))
        observed = "nothing" if claim.observed is None else repr(claim.observed)
        text = escape(f"observed {observed}" + (f" ({claim.detail})" if claim.detail else ""))
        if claim.holds is None:
            ET.SubElement(case, "skipped", message=escape(claim.detail or "not decided"))
        elif not claim.holds:
            ET.SubElement(case, "failure", message=text)
        else:
            ET.SubElement(case, "system-out").text = text
