"""`junit.xml`: one test case for each rule, bundle and phone, for CI systems that show test results.

There is no official schema; this keeps to the elements CI systems have in common. The reason stands in the element's
body as well as in its message, because GitLab shows only the body.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from reports.comparison import Comparison, describe_subject
from reports.notation import shorten
from reports.verdicts import Verdict

FILE_NAME = "junit.xml"

# what XML 1.0 allows, section 2.2 "Characters"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME_LIMIT = 200


def render(report: Comparison) -> str:
    """The comparison as JUnit XML. A broken budget is a failure, what cannot be judged an error.

    A budget of level "warn" never fails a case: broken, its reason goes to the case's output; without a number, it is
    skipped with the reason.
    """
    root = ET.Element("testsuites", name=_clean(f"testpress: {shorten(report.evaluation.model.name)}"))
    groups: dict[str | None, list[Verdict]] = {}
    for verdict in report.verdicts:
        groups.setdefault(verdict.variant, []).append(verdict)
    for variant, verdicts in groups.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(shorten(variant or "budgets", _NAME_LIMIT)))
        suite.set("timestamp", _clean(report.evaluation.created))
        for verdict in verdicts:
            _add_case(suite, verdict, report)
        _count(suite)
    _count(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, verdict: Verdict, report: Comparison) -> None:
    subject = describe_subject(report.evaluation, verdict.variant, verdict.device)
    case = ET.SubElement(suite, "testcase", name=_clean(verdict.rule), classname=_clean(subject), time="0")
    reason = _clean(verdict.reason)
    if verdict.blocks:
        tag = "failure" if verdict.status == "failed" else "error"
        ET.SubElement(case, tag, message=reason, type=tag).text = f"{_clean(subject)}: {_clean(verdict.rule)}: {reason}"
    elif verdict.status == "error":
        ET.SubElement(case, "skipped", message=reason).text = reason
    else:
        word = "warning: " if verdict.status == "warned" else ""
        ET.SubElement(case, "system-out").text = word + reason


def _count(element: ET.Element) -> None:
    for attribute, path in (
        ("tests", "testcase"),
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ):
        element.set(attribute, str(len(element.findall(f".//{path}"))))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
