"""The report in a real browser: the system's Chromium, headless, with a fresh profile, driven by playwright.

Nothing is installed here; where Chromium or playwright is missing, each test is skipped and says which.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluators.evaluation import ClipScores, Evaluation
from evaluators.identity import Identity
from reports.history.runs import summarize_run
from reports.history.trends import find_trends
from reports.judging.acceptance import Acceptance, Entry
from reports.judging.comparison import compare
from reports.page.history import render as render_history
from reports.page.html import render
from tests.browser.visiting import Open, Visit, watch
from tests.reports.example_charts import add_charts
from tests.reports.example_evaluation import HOSTILE, make_evaluation, ratio
from tests.reports.example_pictures import add_pictures, without_a_metric
from tests.reports.example_sounds import add_sounds
from tests.reports.history.conftest import make_run
from tests.reports.hostile_evaluation import make_hostile

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_WIDE = {"width": 1400, "height": 900}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"there is no Chromium ({', '.join(_NAMES)})")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Open]:
    """Open a file: `visit(path, javascript=…, color_scheme=…, viewport=…)`, each in a context of its own."""
    contexts = []

    def open_page(path: Path, *, javascript: bool = True, **options: Any) -> Visit:
        context = chromium.new_context(java_script_enabled=javascript, **{"viewport": _WIDE, **options})
        contexts.append(context)
        visit = Visit(context.new_page())
        watch(visit)
        visit.page.goto(path.as_uri())
        visit.page.wait_for_load_state("load")
        return visit

    yield open_page
    for context in contexts:
        context.close()


def _write_page(folder: Path, change: Callable[[Evaluation], Evaluation] = lambda evaluation: evaluation) -> Path:
    """The report of the example evaluation, bent by `change`, with charts, pictures and sound."""
    path = folder / "report.html"
    evaluation = change(add_charts(add_pictures(make_evaluation(), folder)))
    path.write_text(render(compare(evaluation), folder=folder), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example evaluation, with pictures and sound."""
    return _write_page(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def parity_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for the task `parity`, which knows neither notes nor a score."""
    return _write_page(tmp_path_factory.mktemp("parity"), without_a_metric)


@pytest.fixture(scope="session")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text from outside is an attack."""
    return _write_page(tmp_path_factory.mktemp("hostile"), make_hostile)


@pytest.fixture(scope="session")
def listening_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example evaluation with clips to be heard before and after."""
    folder = tmp_path_factory.mktemp("listening")
    return _write_page(folder, lambda evaluation: add_sounds(evaluation, folder))


def make_worse(evaluation: Evaluation) -> Evaluation:
    """A bundle that misses every other note that it heard, is larger and slower; another is gone."""

    def lose(clip: ClipScores) -> ClipScores:
        value = (clip.scores["note_f1"].value or 0) * 0.6
        notes = {"notes": clip.notes[::2]} if clip.notes is not None else {}
        return clip.model_copy(update={"scores": {**clip.scores, "note_f1": ratio(value)}, **notes})

    first = evaluation.variants[0]
    size = first.scores["size_bytes"].model_copy(update={"value": (first.scores["size_bytes"].value or 0) * 1.2})
    worse = first.model_copy(
        update={"clips": tuple(map(lose, first.clips)), "scores": {**first.scores, "size_bytes": size}}
    )
    return evaluation.model_copy(update={"variants": (worse, *evaluation.variants[2:])})


@pytest.fixture(scope="session")
def baseline_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example evaluation, worse than its baseline in what was accepted and in what was not."""
    folder = tmp_path_factory.mktemp("baseline")
    before = add_pictures(make_evaluation(), folder)
    entry = Entry(bundle="tflite-float16", by="gone", why="nobody ships it", until="2999-12-31")
    report = compare(make_worse(before), before, acceptance=Acceptance((entry,)))
    path = folder / "report.html"
    path.write_text(render(report, folder=folder, earlier=folder), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def history_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty runs, of which the last ten are worse in one number, and one whose every name is an attack."""
    identity = Identity(commit="a" * 40, branch="main", run_url="https://ci.example/runs/1")
    evaluation = make_evaluation()
    few = evaluation.model_copy(update={"identity": identity, "variants": evaluation.variants[1:2]})  # axe is slow
    run = summarize_run(few)
    runs = [make_run(run, number, factor=1.08 if number >= 20 else 1.0) for number in range(30)]
    attack = make_hostile(few).model_copy(update={"created": "2026-10-15T12:00:00Z"})
    hostile = summarize_run(attack)
    path = tmp_path_factory.mktemp("history") / "history.html"
    path.write_text(render_history(find_trends([*runs, hostile])), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def hostile_listening_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an attack for the name of each track, label and word."""
    folder = tmp_path_factory.mktemp("hostile-listening")
    return _write_page(folder, lambda evaluation: make_hostile(add_sounds(evaluation, folder, name=HOSTILE)))
