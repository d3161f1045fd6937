"""Agreement in reports: a section of its own, what leads without labels, and budgets on it."""

from __future__ import annotations

import pytest

from evaluators.evaluation import Evaluation
from evaluators.metrics import BUILT_IN, CLIPS_NOT_WORSE
from evaluators.score import MetricInfo, Score
from reports.errors import ReportError
from reports.judging.budgets import Budget
from reports.judging.comparison import compare
from reports.judging.conditions import describe_worst, tabulate
from reports.judging.verdicts import judge
from reports.page import html
from reports.page.agreement import list_agreement
from reports.page.sections import make_keys
from reports.renderers import markdown
from reports.renderers.gfm import escape
from reports.renderers.summary import find_main_metric
from testpress.summary import evaluation_table
from tests.reports.example_conditions import make_conditions
from tests.reports.example_evaluation import ratio

NAME = "agreement_note_f1"
INFO = MetricInfo(unit="ratio", direction="higher", scope="clip", description="The same notes.", with_source=True)
UNLABELLED = Score(value=None, unit="ratio", direction="higher", basis="emulated", reason="the clips have no labels")


@pytest.fixture(scope="module")
def labelled(evaluation: Evaluation) -> Evaluation:
    """The bundles of the example agree less, one after the other, with all clips no worse."""
    return _agree(evaluation, ratio(1.0, 0.0))


@pytest.fixture(scope="module")
def unlabelled(evaluation: Evaluation) -> Evaluation:
    found = _agree(evaluation, UNLABELLED)
    task = {"note_f1", "note_precision", "note_recall"}
    return found.model_copy(
        update={
            "leading_metric": NAME,
            "recipe": {**found.recipe, "budgets": []},
            "source": found.source.model_copy(update={"scores": {}, "clips": ()}),
            "variants": tuple(
                row.model_copy(
                    update={
                        "differences": {},
                        "clips": (),
                        "scores": {name: score for name, score in row.scores.items() if name not in task},
                    }
                )
                for row in found.variants
            ),
        }
    )


def _agree(evaluation: Evaluation, not_worse: Score) -> Evaluation:
    played = make_conditions(evaluation)
    rows = []
    for number, row in enumerate(played.variants):
        scores = {NAME: ratio(0.99 - 0.01 * number, 0.005), CLIPS_NOT_WORSE: not_worse}
        conditions = tuple(
            one
            if one.failure is not None
            else one.model_copy(update={"scores": {NAME: ratio(0.9 - 0.01 * number)}, "extra_losses": {}})
            for one in row.conditions
        )
        given = {"scores": {**row.scores, **scores}, "conditions": conditions}
        rows.append(row if row.failure is not None else row.model_copy(update=given))
    metrics = {**played.metrics, NAME: INFO, CLIPS_NOT_WORSE: BUILT_IN[CLIPS_NOT_WORSE]}
    bare = played.source.conditions
    source = played.source.model_copy(
        update={"conditions": tuple(one.model_copy(update={"scores": {}}) for one in bare)}
    )
    return played.model_copy(update={"variants": tuple(rows), "metrics": metrics, "source": source})


@pytest.mark.slow
def test_every_bundle_stands_in_the_section_and_the_source_does_not(labelled: Evaluation) -> None:
    section = list_agreement(labelled, make_keys(labelled), "note_f1")
    assert section is not None
    assert [column.metric for column in section.columns] == [NAME, CLIPS_NOT_WORSE]
    assert [line.variant for line in section.lines] == [row.variant for row in labelled.variants if row.failure is None]
    assert section.conditions is not None
    assert (section.conditions.metric, section.conditions.lines[0].variant) == (NAME, section.lines[0].variant)
    page = html.render(compare(labelled))
    assert 'id="agreement"' in page
    assert "The same notes." in page
    assert "The same under other conditions" in page


def test_an_evaluation_without_agreement_has_no_section(evaluation: Evaluation) -> None:
    assert list_agreement(evaluation, make_keys(evaluation), "note_f1") is None
    assert 'id="agreement"' not in html.render(compare(evaluation))


def test_where_a_task_knows_of_no_agreement_nothing_is_said_of_it(evaluation: Evaluation) -> None:
    reason = UNLABELLED.model_copy(update={"reason": "the task scores no clip by itself"})
    rows = tuple(
        row.model_copy(update={"scores": {**row.scores, CLIPS_NOT_WORSE: reason}}) for row in evaluation.variants
    )
    bare = evaluation.model_copy(update={"variants": rows, "metrics": dict(BUILT_IN)})
    assert list_agreement(bare, make_keys(bare), "note_f1") is None


def test_without_labels_agreement_leads(unlabelled: Evaluation) -> None:
    report = compare(unlabelled)
    assert find_main_metric(report) == NAME
    section = list_agreement(unlabelled, make_keys(unlabelled), NAME)
    assert section is not None
    assert section.absent == ((CLIPS_NOT_WORSE, "the clips have no labels"),)
    assert section.conditions is None  # it stands in the table of conditions
    table = tabulate(unlabelled, NAME)
    assert table is not None
    assert table.lines[0].variant is not None
    worst = [row for row in unlabelled.variants if row.failure is None][-1]
    assert describe_worst(unlabelled, NAME).startswith(f"Farthest from its source is {worst.variant} under ")
    page, words = html.render(report), markdown.render(report)
    assert "clips_not_worse has no value: the clips have no labels." in page.replace("<bdi>", "").replace("</bdi>", "")
    assert escape(NAME) in words
    lines = evaluation_table(unlabelled).splitlines()
    assert lines[0].split()[:2] == ["bundle", NAME]
    assert not [line for line in lines if line.startswith("source")]


def test_agreement_can_be_budgeted_as_it_is_and_not_against_the_source(labelled: Evaluation) -> None:
    verdicts = judge(labelled, (Budget(metric=NAME, min=0.98),))
    found = [verdict.status for verdict in verdicts if verdict.metric == NAME]
    assert found[:3] == ["passed", "failed", "failed"]
    with pytest.raises(ReportError, match=r"agreement_note_f1 holds a bundle against the source model .*use min"):
        judge(labelled, (Budget(metric=NAME, max_drop=0.01),))


def test_agreement_may_fall_below_the_baselines_no_further_than_its_tolerance(labelled: Evaluation) -> None:
    row = labelled.variants[0]
    fallen = row.model_copy(update={"scores": {**row.scores, NAME: ratio(0.5, 0.005)}})
    worse = labelled.model_copy(update={"variants": (fallen, *labelled.variants[1:])})
    changes = {(one.variant, one.metric): one.state for one in compare(worse, labelled).changes}
    assert changes[row.variant, NAME] == "worse"
    assert changes[labelled.variants[1].variant, NAME] == "same"
