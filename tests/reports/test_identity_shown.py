from __future__ import annotations

from evaluators.evaluation import Evaluation
from evaluators.identity import Identity
from reports.judging.comparison import compare
from reports.page import html
from reports.renderers import markdown

IDENTITY = Identity(
    commit="0123456789" * 4, branch="a<b>", dirty=True, run_url="https://ci.example/1", recipe_sha256="f" * 64
)


def test_page_and_summary_say_which_state_was_evaluated(evaluation: Evaluation) -> None:
    report = compare(evaluation.model_copy(update={"identity": IDENTITY}))
    page = html.render(report)
    assert f'<code class="hash">{IDENTITY.commit}</code> on <bdi>a&lt;b&gt;</bdi>' in page
    assert "with tracked files changed since" in page
    assert '<a href="https://ci.example/1" rel="noreferrer">the run</a>' in page
    assert IDENTITY.recipe_sha256 is not None
    assert IDENTITY.recipe_sha256 in page
    text = markdown.render(report).replace("\u200b", "")
    assert "of 012345678901 on a&lt;b&gt;, changed since" in text


def test_without_it_nothing_is_said(evaluation: Evaluation) -> None:
    assert "<dt>Commit</dt>" not in html.render(compare(evaluation))
