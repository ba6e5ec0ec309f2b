from __future__ import annotations

import xml.etree.ElementTree as ET

from harness.report.claims import ClaimResult
from harness.report.junit import Checked, junit_xml
from harness.search.result import SearchClaimResult

HOLDS = ClaimResult("loss < 1", True, 0.5)
BROKEN = ClaimResult("loss < 0", False, 0.5, "n = 3")
MISSING = ClaimResult("loss > 0", False, None, "a value is missing")
OPEN = ClaimResult("loss at step 9 < 1", None, None, "a has 6 steps here")


def read(*runs: Checked, sweep: str = "sweep") -> ET.Element:
    text = junit_xml(sweep, runs)
    assert text.startswith("<?xml version='1.0'")
    return ET.fromstring(text)


def test_an_experiment_is_a_suite_and_each_claim_of_a_run_a_case():
    root = read(
        Checked("a/lr=1", "a", (HOLDS, BROKEN)),
        Checked("b", "b", (OPEN,)),
        Checked("a/lr=2", "a", (MISSING,)),
    )
    assert (root.tag, root.get("name")) == ("testsuites", "sweep")
    first, second = root
    assert first.attrib == {
        **{"name": "a", "tests": "3", "failures": "2", "errors": "0", "skipped": "0"}
    }
    assert second.attrib == {
        **{"name": "b", "tests": "1", "failures": "0", "errors": "0", "skipped": "1"}
    }
    names = [(case.get("classname"), case.get("name")) for case in first]
    assert names == [
        ("sweep.a/lr=1", "loss < 1"),
        ("sweep.a/lr=1", "loss < 0"),
        ("sweep.a/lr=2", "loss > 0"),
    ]


def test_a_claim_that_does_not_hold_says_what_was_observed():
    (suite,) = read(Checked("a", "a", (HOLDS, BROKEN, MISSING, OPEN)))
    holds, broken, missing, undecided = suite
    assert holds.findtext("system-out") == "observed 0.5"
    assert broken.find("failure").get("message") == "observed 0.5 (n = 3)"
    assert missing.find("failure").get("message") == "observed nothing (a value is missing)"
    assert undecided.find("skipped").get("message") == "a has 6 steps here"


def test_a_run_that_failed_is_an_error_besides_its_claims():
    (suite,) = read(Checked("a", "a", (MISSING,), "no such device"), Checked("b", "a", ()))
    assert suite.get("errors") == "1"
    assert suite.get("tests") == "2"
    assert suite[0].find("error").get("message") == "no such device"


def test_names_cannot_break_the_file():
    evil = 'a"<b>&\x00\x1b[31m\ud800\ufffe\n'
    claim = ClaimResult(evil, False, 1.0, evil)
    root = read(Checked(evil, evil, (claim,), evil), sweep=evil)
    shown = 'a"<b>&\\x00\\x1b[31m\\ud800\\ufffe\\n'
    assert root.get("name") == root[0].get("name") == root[0][1].get("name") == shown
    assert root[0][0].find("error").get("message") == shown
    junit_xml(evil, [Checked(evil, evil, (claim,), evil)]).encode()


def test_a_search_is_a_suite_with_its_trials_that_failed():
    best = SearchClaimResult("best optimizer.name equals adamw", False, "sgd")
    rival = SearchClaimResult("best value better than that of b", True, 0.5, "b: 0.7")
    open_ = SearchClaimResult("best value better than that of c", None, 0.5, "c has no trial")
    (suite,) = read(Checked("s", "s", (best, rival, open_)), Checked("s/trial=3", "s", (), "boom"))
    assert suite.attrib == {
        **{"name": "s", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    }
    assert [case.get("classname") for case in suite] == ["sweep.s"] * 3 + ["sweep.s/trial=3"]
    assert suite[0].find("failure").get("message") == "observed 'sgd'"
    assert suite[1].findtext("system-out") == "observed 0.5 (b: 0.7)"
    assert suite[2].find("skipped").get("message") == "c has no trial"
    assert suite[3].find("error").get("message") == "boom"


def test_a_sweep_without_runs_is_an_empty_file():
    assert len(read()) == 0
