"""Every renderer holds against every evaluation that the schema takes."""

from __future__ import annotations

import json
import os
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings

from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.page import html
from reports.renderers import annotations, comment, junit, markdown, node_data, openmetrics
from tests.reports.any_evaluation import cases, disturbed
from tests.reports.page.test_html import Page

parser = pytest.importorskip("prometheus_client.openmetrics.parser")

EXAMPLES = int(os.environ.get("TESTPRESS_EXAMPLES", "60"))
MOST_SECONDS = 30
"""of CPU: a backstop; benchmarks/report_rendering.py measures"""
MOST_CHARACTERS = 2_000_000
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
"""what acts without being seen"""
WORDS = re.compile(r"[a-z_]+", re.IGNORECASE)
NO_NUMBERS = {"nan", "inf", "infinity"}
DRAWN = ("d", "x", "y", "cx", "cy", "r", "width", "height", "viewBox", "data-v")


Case = tuple[Evaluation, Evaluation | None, tuple[Budget, ...]]
often = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="TESTPRESS_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@often
@given(cases())
def test_every_renderer_holds(case: Case) -> None:
    _check(*case)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@often
@given(disturbed())
def test_every_renderer_holds_against_extreme_numbers(case: Case) -> None:
    _check(*case)


def _check(evaluation: Evaluation, baseline: Evaluation | None, budgets: tuple[Budget, ...]) -> None:
    start = time.process_time()
    try:
        report = compare(evaluation, baseline, budgets=budgets)
    except ReportError as fault:  # a budget in another unit or direction than its number's
        assert str(fault).startswith("budget "), fault
        return
    texts = _render(report)
    assert time.process_time() - start < MOST_SECONDS
    for name, text in texts.items():
        assert len(text) < MOST_CHARACTERS, name
        assert not UNSEEN.search(text), (name, UNSEEN.search(text))
        assert text.encode()
    _check_page(texts["report.html"])
    _check_data(texts)
    for line in annotations.annotate(report):
        assert re.fullmatch(r"::(error|warning|notice) title=[^:,\r\n]*::[^\r\n]*", line)
        assert not UNSEEN.search(line)


def _render(report: Comparison) -> dict[str, str]:
    texts = {each.FILE_NAME: each.render(report) for each in (html, markdown, comment, junit, openmetrics)}
    return texts | {f"drift/{name}": text for name, text in node_data.render(report).items()}


def _check_page(text: str) -> None:
    page = Page(text)
    assert (page.faults, page.open) == ([], [])
    assert len(page.named("script")) == 1
    assert page.named("title")
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in DRAWN:
            value = attributes.get(name) or ""
            assert not NO_NUMBERS & {word.lower() for word in WORDS.findall(value)}, (tag, name, value)
            assert name == "data-v" or not re.search(r"(?<![.\d])\d{5}|e\+?\d", value), (tag, name, value)


def _check_data(texts: Mapping[str, str]) -> None:
    root = ET.fromstring(texts["junit.xml"])
    assert all(float(each.get("time", "nan")) == 0 for each in root.iter("testcase"))
    for family in parser.text_string_to_metric_families(texts["metrics.txt"]):
        for sample in family.samples:
            assert abs(sample.value) <= 1.7976931348623157e308
    stems = [name for name in texts if name.startswith("drift/")]
    assert len({name.casefold() for name in stems}) == len(stems)
    for name in stems:
        assert re.fullmatch(r"drift/[A-Za-z0-9][A-Za-z0-9._() -]*\.json", name)
        json.loads(texts[name], parse_constant=pytest.fail)
