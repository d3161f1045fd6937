"""The section on long runs."""

from __future__ import annotations

import itertools

from evaluators.long_run_records import LongRun
from reports.judging.comparison import compare
from reports.page.figures.error_over_time import OverTime, draw_error_over_time
from reports.page.html import render
from reports.renderers.markdown import render as render_markdown
from tests.reports.example_evaluation import make_evaluation
from tests.reports.example_long_runs import DRIFTER, PLAN, make_long_runs


def test_the_page_has_a_line_and_a_row_a_bundle() -> None:
    evaluation = make_long_runs(make_evaluation())
    page = render(compare(evaluation))
    played = [one for one in evaluation.variants if one.long_run is not None]
    section = page[page.index('<section id="long-run"') :]
    section = section[: section.index("</section>")]
    assert section.count('<path class="line"') == len(played) - 1  # one could not be played
    assert section.count('<th scope="row">') == len(played)
    assert section.count('<g class="faulty">') == 1
    assert 'class="fault">grows by 7.20 dB a minute' in section
    assert "the worker was killed" in section
    assert '<a href="#long-run">' in page


def test_a_page_without_a_long_run_says_nothing_of_one() -> None:
    assert "long-run" not in render(compare(make_evaluation()))


def test_markdown_has_a_row_a_bundle() -> None:
    evaluation = make_long_runs(make_evaluation())
    text = render_markdown(compare(evaluation))
    section = text[text.index("## Over a long run") : text.index("## Bundles and phones")]
    assert f"{DRIFTER}: the error of output speech grows" in section.replace("\\", "")
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + sum(one.long_run is not None for one in evaluation.variants)


def test_a_line_has_gaps_and_letters_keep_apart() -> None:
    """A point is pooled of six stretches; the second of them holds one without a number."""
    bundles = [OverTime(key, key, [60.0] * 8 + [None] + [40.0] * (PLAN.count - 9), False) for key in "ABC"]
    figure = draw_error_over_time(bundles, PLAN)
    assert figure is not None and figure.silence is not None
    assert figure.lines[0].path.count("M") == 2
    heights = sorted(line.label_y for line in figure.lines)
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 13.0
    assert figure.lines[0].path.count("L") == 2 * 13 + 1 - 1 - 2  # 13 points a round, one in silence; one has none
    assert draw_error_over_time([OverTime("A", "A", [None] * PLAN.count, True)], PLAN) is None


def test_bundles_that_all_failed_are_told() -> None:
    evaluation = make_evaluation()
    failed = LongRun(problem="no <room>")
    variants = tuple(one.model_copy(update={"long_run": failed}) for one in evaluation.variants)
    page = render(compare(evaluation.model_copy(update={"variants": variants})))
    assert "no &lt;room&gt;" in page
    assert '<svg class="overtime"' not in page
