"""What is said of conditions: the table, the worst, the warning, and budgets that name one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.budgets import Budget
from reports.judging.comparison import compare
from reports.judging.conditions import describe_worst, format_p_value, tabulate
from reports.judging.verdicts import judge
from reports.page import html
from reports.renderers import markdown
from tests.reports.example_conditions import LOSER, make_conditions
from tests.reports.example_evaluation import HOSTILE


@pytest.fixture(scope="module")
def played(evaluation: Evaluation) -> Evaluation:
    return make_conditions(evaluation)


def test_the_table_has_the_source_and_every_bundle_that_was_played(played: Evaluation) -> None:
    table = tabulate(played, "note_f1")
    assert table is not None
    assert table.names == ("clean", "phone-call", "noisy")
    assert [line.variant for line in table.lines[:2]] == [None, "tflite-float32"]
    assert len(table.lines) == 1 + sum(variant.failure is None for variant in played.variants)
    by_name = {line.variant: line.cells for line in table.lines}
    assert [cell.heat for cell in by_name[LOSER]] == [0, 1, 4]
    assert [cell.heat for cell in by_name["tflite-float32"]] == [0, 1, 0]
    assert by_name["tflite-float16"][1].problem == "the worker was killed"


def test_the_worst_is_named_with_its_numbers_and_clips(played: Evaluation) -> None:
    assert describe_worst(played, "note_f1") == (
        "coreml-float16 is 0.050 worse in note_f1 under noisy, its source's own change taken off (95 %: −0.060 to "
        "−0.040; p < 0.001), most on piano-00, organ-03."
    )


def test_bundles_that_lose_what_their_source_loses_are_not_ranked(played: Evaluation) -> None:
    zero = {"value": 0.0, "low": 0.0, "high": 0.0}
    same = tuple(
        variant.model_copy(
            update={
                "conditions": tuple(
                    result.model_copy(
                        update={
                            "extra_losses": {
                                name: loss.model_copy(
                                    update={
                                        "change": loss.change.model_copy(update=zero),
                                        "p_value": 1.0,
                                        "loses_more": False,
                                    }
                                )
                                for name, loss in result.extra_losses.items()
                            }
                        }
                    )
                    for result in variant.conditions
                )
            }
        )
        for variant in played.variants
    )
    assert describe_worst(played.model_copy(update={"variants": same}), "note_f1") == (
        "No bundle is shown to lose more than its source under any condition: in note_f1 each loses what its source "
        "loses."
    )


def test_where_nothing_was_asked_nothing_is_said(evaluation: Evaluation) -> None:
    assert tabulate(evaluation, "note_f1") is None
    assert describe_worst(evaluation, "note_f1") == ""
    assert "conditions" not in markdown.render(compare(evaluation))
    assert 'id="conditions"' not in html.render(compare(evaluation))


def test_a_task_without_a_score_has_parity_under_conditions(played: Evaluation) -> None:
    bare = played.model_copy(
        update={
            "leading_metric": None,
            "variants": tuple(
                variant.model_copy(
                    update={
                        "conditions": tuple(
                            one.model_copy(update={"scores": {}, "differences": {}, "extra_losses": {}})
                            for one in variant.conditions
                        )
                    }
                )
                for variant in played.variants
            ),
        }
    )
    table = tabulate(bare, None)
    assert table is not None
    assert (table.metric, table.lines[0].variant) == ("snr_db", "tflite-float32")
    assert table.lines[0].cells[2].score is not None
    assert describe_worst(bare, None) == (
        "No metric was scored under the conditions, so only parity can be compared there."
    )


def test_a_bundle_that_loses_more_is_a_warning_and_the_others_pass(played: Evaluation) -> None:
    rule = "loses no more than its source under a condition"
    found = {verdict.variant: verdict for verdict in judge(played, ()) if verdict.rule == rule}
    assert {variant for variant, verdict in found.items() if verdict.status != "passed"} == {LOSER}
    assert found[LOSER].status == "warned"
    assert not found[LOSER].blocks
    assert found[LOSER].reason.startswith("0.050 worse in note_f1 under noisy, its source's own change taken off (95 %")
    assert found["tflite-float16"].reason == "not shown to, under any of 1 condition"


def judge_one(evaluation: Evaluation, **fields: Any) -> dict[str | None, str]:
    budget = Budget.model_validate(fields)
    return {verdict.variant: verdict.status for verdict in judge(evaluation, (budget,)) if verdict.rule == budget.text}


def test_budgets_name_a_condition(played: Evaluation) -> None:
    budget = Budget.model_validate({"metric": "note_f1", "max_drop": 0.03, "condition": "noisy"})
    assert budget.text == "note_f1 at most 0.03 below the source model under noisy"
    found = judge_one(played, metric="note_f1", max_drop=0.03, condition="noisy")
    assert found[LOSER] == "failed"
    assert found["tflite-float32"] == "passed"
    assert found["tflite-static_wi8_ai8"] == "error"
    bounds = judge_one(played, metric="note_f1", min=0.5, condition="phone-call")
    assert (bounds[LOSER], bounds["tflite-float16"]) == ("passed", "error")
    parity = judge_one(played, metric="max_abs_error", max=0.1, condition="noisy")
    assert parity[LOSER] == "failed"
    assert judge_one(played, metric="note_f1", min=0.7, condition="clean")["tflite-float32"] == "passed"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metric": "note_f1", "min": 0.5, "condition": "nosy"}, "unknown condition 'nosy'; did you mean 'noisy'?"),
        (
            {"metric": "note_f1", "min": 0.5, "condition": "rain"},
            "unknown condition 'rain'; known: clean, phone-call, noisy",
        ),
        (
            {"metric": "size_bytes", "max": 5, "condition": "noisy"},
            "size_bytes is the same under every condition; leave condition out",
        ),
    ],
)
def test_a_condition_that_a_budget_cannot_have(fields: dict[str, Any], message: str, played: Evaluation) -> None:
    with pytest.raises(ReportError) as caught:
        judge(played, (Budget.model_validate(fields),))
    assert str(caught.value).endswith(message)


def test_a_condition_and_a_baseline_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="a budget under a condition is against the source model"):
        Budget.model_validate({"metric": "x", "max_drop": 1, "condition": "noisy", "against": "baseline"})


def test_page_and_summary_show_the_table(played: Evaluation) -> None:
    report = compare(played)
    text, page = markdown.render(report), html.render(report)
    assert "## Under other conditions\n\ncoreml-float16 is 0.050 worse in note\\_f1 under noisy" in text
    assert "(▼ loses more: −0.050, p &lt; 0.001)" in text
    assert 'class="heat4"' in page
    assert "▼ loses more:" in page
    assert "noise (colour pink, snr_db 10.0, voices 6)" in page


def test_names_of_conditions_are_no_markup(played: Evaluation) -> None:
    renamed = Evaluation.model_validate_json(dump_json(played).replace('"noisy"', json.dumps(HOSTILE)))
    report = compare(renamed, budgets=())
    assert "<img src=x" not in html.render(report)
    assert "<img src=x" not in markdown.render(report)


@pytest.mark.parametrize(("p_value", "text"), [(0.03, "0.03"), (0.0004, "< 0.001"), (1.0, "1"), (0.123, "0.12")])
def test_p_values(p_value: float, text: str) -> None:
    assert format_p_value(p_value) == text


def test_a_table_of_very_many_is_cut(played: Evaluation) -> None:
    def repeat(results: Any, key: str) -> Any:
        return tuple(one.model_copy(update={key: f"c{n}"}) for n in range(32) for one in results[1:2])

    rows = tuple(
        variant.model_copy(
            update={"variant": f"{variant.variant}-{n}", "conditions": repeat(variant.conditions, "condition")}
        )
        for n in range(8)
        for variant in played.variants
        if variant.failure is None
    )
    source = played.source.model_copy(update={"conditions": repeat(played.source.conditions, "condition")})
    many = played.model_copy(
        update={"conditions": repeat(played.conditions, "name"), "variants": rows, "source": source}
    )
    page = html.render(compare(many, budgets=()))
    section = page[page.index('<section id="conditions"') :]
    section = section[: section.index("</section>")]
    assert len(section) < 500_000
    assert "33 more bundles stand in evaluation.json" in section
