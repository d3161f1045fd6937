from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from evaluators.evaluation import Evaluation
from evaluators.identity import Identity
from reports.history.runs import Run, summarize_run
from reports.history.trends import find_trends
from reports.page.history import render
from tests.reports.example_evaluation import HOSTILE
from tests.reports.history.conftest import make_run


@pytest.fixture(scope="module")
def run(evaluation: Evaluation) -> Run:
    return summarize_run(evaluation.model_copy(update={"identity": Identity(commit="a" * 40, branch="main")}))


@pytest.fixture(scope="module")
def runs(run: Run) -> list[Run]:
    return [make_run(run, number, factor=1.08 if number >= 20 else 1.0) for number in range(30)]


class Tags(HTMLParser):
    """Every tag must be closed in its order, but for those that never are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_names_the_step_and_asks_nothing_of_the_network(runs: list[Run]) -> None:
    page = render(find_trends(runs))
    assert "tflite-float16 on Pixel 8: latency_ms (predicted)" in page
    assert "+8.0 %" in page
    assert f"{20:040x}"[:12] in page
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not tags.seen & {"script", "link", "img", "iframe", "audio"}
    assert not re.search(r"src=|@import|url\(", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_every_trend_is_drawn_with_its_interval(runs: list[Run]) -> None:
    history = find_trends(runs)
    page = render(history)
    assert page.count("<svg") == len(history.trends)
    banded = sum(all(point.low is not None for point in trend.points) for trend in history.trends)
    assert page.count('class="band"') == banded > 20
    assert page.count('class="post worse"') == 1
    assert len(page) < 500_000


def test_no_step_is_said(run: Run) -> None:
    page = render(find_trends([make_run(run, 0)]))
    assert "No step" in page
    assert "1 run from" in page


def test_names_from_outside_do_nothing(run: Run) -> None:
    identity = Identity(commit="a" * 40, branch=HOSTILE[:200], run_url="https://ci.example/1")
    hostile = run.model_copy(
        update={
            "model": HOSTILE,
            "machine": HOSTILE,
            "testpress_version": HOSTILE,
            "identity": identity,
            "phones": dict.fromkeys(run.phones, HOSTILE),
            "bundles": {HOSTILE: run.bundles["tflite-float16"]},
        }
    )
    page = render(find_trends([hostile]))
    assert "<img" not in page
    assert "\x1b" not in page
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen
