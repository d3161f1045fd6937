from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.renderers.junit import render
from tests.reports.example_evaluation import lower

# Jenkins' xUnit plugin, junit-10.xsd: element → (attributes it must have, attributes it may have, elements it may hold)
JUNIT_10 = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
SUREFIRE_TIME = r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?"

GOLDEN = Path(__file__).parents[1] / "golden" / "junit.xml"


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
    faults = ET.fromstring(render(comparison)).findall(".//failure")
    assert len(faults) >= comparison.outcome.failed
    for fault in faults:
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


def check_schema(root: ET.Element) -> None:
    for element in root.iter():
        needed, optional, children = JUNIT_10[element.tag]
        assert needed <= set(element.attrib) <= needed | optional, element.tag
        assert {child.tag for child in element} <= children
        if element.tag in {"testsuites", "testsuite"}:
            assert re.fullmatch(SUREFIRE_TIME, element.get("time", ""))
            assert not (element.text or "").strip()


@pytest.mark.parametrize("name", ["comparison", "small", "hostile"])
def test_jenkins_schema_holds(name: str, request: pytest.FixtureRequest) -> None:
    check_schema(ET.fromstring(render(request.getfixturevalue(name))))


def test_what_github_and_gitlab_read_is_there(comparison: Comparison) -> None:
    """The actions on GitHub make NaN of a time that is missing; GitLab shows a case by name, class and time."""
    root = ET.fromstring(render(comparison))
    assert all(
        float(element.get("time", "nan")) == 0 for element in (root, *root.iter("testsuite"), *root.iter("testcase"))
    )
    for case in root.iter("testcase"):
        assert case.get("name")
        assert case.get("classname")
        assert (case[0].text or "").strip()
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        sums = sum(int(suite.get(attribute, "")) for suite in root)
        assert sums == len(list(root.iter(tag)))
        assert attribute == "skipped" or sums == int(root.get(attribute, ""))


def test_a_file_name_is_no_java_package(comparison: Comparison) -> None:
    classes = {case.get("classname", "") for case in ET.fromstring(render(comparison)).iter("testcase")}
    assert "nmp_tflite on Pixel 8" in classes
    assert not any("." in name for name in classes)


def named(report: Comparison) -> list[tuple[str, str]]:
    cases = ET.fromstring(render(report)).iter("testcase")
    return [(case.get("classname", ""), case.get("name", "")) for case in cases]


def test_long_names_stay_two_and_no_name_counts(evaluation: Evaluation) -> None:
    budget = (Budget(metric="size_bytes", max=1),)
    long = tuple(
        evaluation.variants[0].model_copy(update={"variant": "n" * 500 + middle + "n" * 500}) for middle in "ab"
    )
    report = compare(evaluation.model_copy(update={"variants": long}), budgets=budget)
    cases = named(report)
    assert len(set(cases)) == len(cases) == len(report.verdicts)
    other_way = compare(evaluation.model_copy(update={"variants": long[::-1]}), budgets=budget)
    assert set(named(other_way)) == set(cases)  # counters would go by the order


def test_verdicts_of_one_name_are_one_case_and_the_heaviest_counts(evaluation: Evaluation) -> None:
    twice = (Budget(metric="size_bytes", max=1, level="warn"), Budget(metric="size_bytes", max=1))
    report = compare(evaluation.model_copy(update={"variants": evaluation.variants[:1]}), budgets=twice)
    once = compare(evaluation.model_copy(update={"variants": evaluation.variants[:1]}), budgets=twice[1:])
    assert len(report.verdicts) == len(once.verdicts) + 1
    assert render(report) == render(once)


def test_a_case_says_which_metric_it_is_of(evaluation: Evaluation) -> None:
    worse = evaluation.variants[1].model_copy(
        update={"scores": {**evaluation.variants[1].scores, "size_bytes": lower(1e6, "bytes", "measured_host")}}
    )
    now = evaluation.model_copy(update={"variants": (evaluation.variants[0], worse)})
    names = [name for _, name in named(compare(now, evaluation, budgets=()))]
    assert "size_bytes: no worse than the baseline" in names
    assert not any(name.endswith(")") for name in names)


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-23T09:30:00Z", "2026-11-23T09:30:00"),
        ("2026-11-23T10:30:00+01:00", "2026-11-23T09:30:00"),
        ("2026-11-23T09:30:00", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:00", None),
    ],
)
def test_a_timestamp_is_one_or_absent(evaluation: Evaluation, created: str, expected: str | None) -> None:
    report = compare(evaluation.model_copy(update={"created": created}))
    assert {suite.get("timestamp") for suite in ET.fromstring(render(report))} == {expected}


def test_no_text_becomes_an_attachment(evaluation: Evaluation) -> None:
    """GitLab and Jenkins link `[[ATTACHMENT|path]]` wherever a case prints it."""
    failed = evaluation.variants[-1]
    assert failed.failure is not None
    trap = failed.failure.model_copy(update={"reason": "[[ATTACHMENT|/etc/passwd]]"})
    report = compare(
        evaluation.model_copy(
            update={"variants": (failed.model_copy(update={"failure": trap, "variant": trap.reason}),)}
        )
    )
    assert "[[ATTACHMENT|" not in render(report)


@pytest.mark.slow
def test_thousands_of_bundles_and_a_reason_without_end(evaluation: Evaluation) -> None:
    first = evaluation.variants[1].model_copy(update={"clips": (), "timing": None})
    endless = first.differences["note_f1"].model_copy(
        update={"value": None, "low": None, "high": None, "confidence": None, "reason": "x" * 10**6}
    )
    many = tuple(
        first.model_copy(update={"variant": f"tflite-{number}", "differences": {"note_f1": endless}})
        for number in range(300)
    )
    report = compare(evaluation.model_copy(update={"variants": many}))
    text = render(report)
    root = ET.fromstring(text)
    check_schema(root)
    assert int(root.get("tests", "")) == len(report.verdicts) == 2700
    assert len(text) < 10_000_000  # what libxml2, which GitLab reads with, takes without being told to
