from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from evaluators.evaluation import Evaluation
from reports.budgets import Budget
from reports.comparison import Comparison, compare
from reports.junit import render

GOLDEN = Path(__file__).parent / "golden" / "junit.xml"


def test_the_golden_comparison_renders_as_stored(small: Comparison) -> None:
    assert render(small) == GOLDEN.read_text(encoding="utf-8")


def test_one_case_a_verdict_and_the_counts_agree(comparison: Comparison) -> None:
    root = ET.fromstring(render(comparison))
    cases = root.findall(".//testcase")
    assert len(cases) == len(comparison.verdicts) == int(root.get("tests", ""))
    assert int(root.get("failures", "")) == comparison.outcome.failed == len(root.findall(".//failure"))
    blocking = [verdict for verdict in comparison.verdicts if verdict.blocks and verdict.status == "error"]
    assert int(root.get("errors", "")) == len(blocking) == len(root.findall(".//error"))
    for suite in root.findall("testsuite"):
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))


def test_cases_are_told_apart(comparison: Comparison) -> None:
    cases = ET.fromstring(render(comparison)).findall(".//testcase")
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)


def test_the_reason_stands_in_message_and_body(comparison: Comparison) -> None:
    for fault in ET.fromstring(render(comparison)).iterfind(".//failure"):
        message = fault.get("message", "")
        assert message
        assert message in (fault.text or "")


def test_a_warning_never_fails_a_case(evaluation: Evaluation) -> None:
    report = compare(evaluation, budgets=(Budget(metric="size_bytes", max=1, level="warn"),))
    root = ET.fromstring(render(report))
    cases = [case for case in root.findall(".//testcase") if (case.get("name") or "").startswith("size_bytes")]
    assert len(cases) == 8
    assert all(case.find("failure") is None and case.find("error") is None for case in cases)
    assert sum((case.findtext("system-out") or "").startswith("warning: ") for case in cases) == 7
    assert sum(case.find("skipped") is not None for case in cases) == 1


def test_what_xml_forbids_is_replaced(hostile: Comparison) -> None:
    text = render(hostile)
    assert "\x00" not in text
    assert "\x1b" not in text
    root = ET.fromstring(text)
    assert "<img src=x onerror=alert(1)>" in ET.tostring(root, encoding="unicode", method="text") + "".join(
        case.get("classname", "") for case in root.iter("testcase")
    )
