"""`junit.xml`: one test case for each rule, metric, bundle and phone, for CI systems that show test results.

There is no official schema; this keeps to what GitLab, Jenkins and the actions on GitHub have in common, and to the
schema that Jenkins' xUnit plugin validates against (junit-10.xsd). The reason stands in the element's body as well as
in its message, because GitLab shows only the body.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from device_profiles.text import shorten
from reports.judging.comparison import Comparison, describe_subject
from reports.judging.verdicts import SEVERITY, Verdict

FILE_NAME = "junit.xml"

# what XML 1.0 allows, section 2.2 "Characters"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME_LIMIT = 200
_REASON_LIMIT = 2000
_DIGITS = 8


def render(report: Comparison) -> str:
    """The comparison as JUnit XML. A broken budget is a failure, what cannot be judged an error.

    A budget of level "warn" never fails a case: broken, its reason goes to the case's output; without a number, it is
    skipped with the reason. So is a bundle on a phone that it is not for. Names say rule, metric, bundle and phone and
    hold no counter, so that CI systems know a case again in the next run; verdicts of one name, such as a rule's
    warnings under several conditions, are one case.
    """
    root = ET.Element("testsuites", name=_clean(f"testpress: {shorten(report.evaluation.model.name)}"), time="0")
    groups: dict[str | None, list[Verdict]] = {}
    for verdict in report.verdicts:
        groups.setdefault(verdict.variant, []).append(verdict)
    time = _timestamp(report.evaluation.created)
    for variant, verdicts in groups.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(shorten(variant or "budgets", _NAME_LIMIT)), time="0")
        if time is not None:
            suite.set("timestamp", time)
        cases: dict[tuple[str, str], list[Verdict]] = {}
        for verdict in verdicts:
            cases.setdefault(_name_case(verdict, report), []).append(verdict)
        for (place, name), members in cases.items():
            _add_case(suite, members, report, place=place, name=name)
        _count(suite, skipped=True)
    _count(root, skipped=False)  # the schema has no skipped there
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _name_case(verdict: Verdict, report: Comparison) -> tuple[str, str]:
    """A case's class and name. Jenkins takes what stands before a class's last dot for a package."""
    place = describe_subject(report.evaluation, verdict.variant, verdict.device)
    whole = "".join(text for text in (verdict.variant, verdict.device) if text)
    rule = verdict.rule
    if verdict.metric is not None and verdict.metric not in rule:
        rule = f"{verdict.metric}: {rule}"
    return _keep_apart(place, whole).replace(".", "_"), _keep_apart(shorten(rule, _NAME_LIMIT), rule)


def _keep_apart(shown: str, whole: str) -> str:
    """The name as shown, with a digest of the whole one where something was left out or changed."""
    fit = _clean(shown)
    if "…" not in shown and "\ufffd" not in fit:
        return fit
    return f"{fit} {hashlib.sha256(whole.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}"


def _add_case(suite: ET.Element, verdicts: Sequence[Verdict], report: Comparison, *, place: str, name: str) -> None:
    """A case of one verdict, or of several of one name, of which the heaviest counts."""
    case = ET.SubElement(suite, "testcase", name=name, classname=place, time="0")
    verdict = min(verdicts, key=lambda each: (not each.blocks, SEVERITY[each.status]))
    subject = _clean(describe_subject(report.evaluation, verdict.variant, verdict.device))
    reasons = dict.fromkeys(each.reason for each in verdicts if each.status == verdict.status)
    reason = _clean(shorten("; ".join(reasons), _REASON_LIMIT))
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
