"""`junit.xml`: one test case for each rule, bundle and phone, for CI systems that show test results.

There is no official schema; this keeps to what GitLab, Jenkins and the actions on GitHub have in common, and to the
schema that Jenkins' xUnit plugin validates against (junit-10.xsd). The reason stands in the element's body as well as
in its message, because GitLab shows only the body.
"""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET

from device_profiles.naming import number_repeats
from device_profiles.text import shorten
from reports.judging.comparison import Comparison, describe_subject
from reports.judging.verdicts import Verdict

FILE_NAME = "junit.xml"

# what XML 1.0 allows, section 2.2 "Characters"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME_LIMIT = 200
_REASON_LIMIT = 2000


def render(report: Comparison) -> str:
    """The comparison as JUnit XML. A broken budget is a failure, what cannot be judged an error.

    A budget of level "warn" never fails a case: broken, its reason goes to the case's output; without a number, it is
    skipped with the reason. So is a bundle on a phone that it is not for.
    """
    root = ET.Element("testsuites", name=_clean(f"testpress: {shorten(report.evaluation.model.name)}"), time="0")
    groups: dict[str | None, list[Verdict]] = {}
    for verdict in report.verdicts:
        groups.setdefault(verdict.variant, []).append(verdict)
    places = [_place(verdict, report) for verdicts in groups.values() for verdict in verdicts]
    # GitLab takes two cases of one class and name for one case, and shows the last
    names = iter(number_repeats([f"{place}\n{_clean(rule)}" for place, rule in places]))
    time = _timestamp(report.evaluation.created)
    for variant, verdicts in groups.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(shorten(variant or "budgets", _NAME_LIMIT)), time="0")
        if time is not None:
            suite.set("timestamp", time)
        for verdict in verdicts:
            place, _, name = next(names).partition("\n")
            _add_case(suite, verdict, report, place=place, name=name)
        _count(suite, skipped=True)
    _count(root, skipped=False)  # the schema has no skipped there
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _place(verdict: Verdict, report: Comparison) -> tuple[str, str]:
    """A case's class and name. Jenkins takes what stands before a class's last dot for a package."""
    place = _clean(describe_subject(report.evaluation, verdict.variant, verdict.device))
    return place.replace(".", "_"), shorten(verdict.rule, _NAME_LIMIT)


def _add_case(suite: ET.Element, verdict: Verdict, report: Comparison, *, place: str, name: str) -> None:
    case = ET.SubElement(suite, "testcase", name=name, classname=place, time="0")
    subject = _clean(describe_subject(report.evaluation, verdict.variant, verdict.device))
    reason = _clean(shorten(verdict.reason, _REASON_LIMIT))
    if verdict.blocks:
        tag = "failure" if verdict.status == "failed" else "error"
        ET.SubElement(case, tag, message=reason, type=tag).text = f"{subject}: {name}: {reason}"
    elif verdict.status in ("error", "not_applicable"):
        ET.SubElement(case, "skipped", message=reason).text = reason
    else:
        word = "warning: " if verdict.status == "warned" else ""
        ET.SubElement(case, "system-out").text = word + reason


def _count(element: ET.Element, *, skipped: bool) -> None:
    paths = {"tests": "testcase", "failures": "failure", "errors": "error"} | (
        {"skipped": "skipped"} if skipped else {}
    )
    for attribute, path in paths.items():
        element.set(attribute, str(len(element.findall(f".//{path}"))))


def _timestamp(created: str) -> str | None:
    """The time as Ant and Surefire write it: UTC, seconds, no zone; none where `created` is no time."""
    try:
        time = dt.datetime.fromisoformat(created)
        utc = time.astimezone(dt.UTC) if time.tzinfo else None
    except (OverflowError, ValueError):
        return None
    return None if utc is None else utc.strftime("%Y-%m-%dT%H:%M:%S")


def _clean(text: str) -> str:
    """Text that XML can hold, and in which GitLab and Jenkins see no attachment."""
    return _FORBIDDEN.sub("\ufffd", text).replace("[[ATTACHMENT|", "[[ATTACHMENT ")
