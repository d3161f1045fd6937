from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest

from evaluators.evaluation import Evaluation, VariantResult
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.page.html import render as render_page
from reports.renderers import junit, markdown
from testpress import summary

OLD, NEW = "iphone-12", "iphone-15-pro"
BUDGETS = (Budget(metric="size_bytes", max="1GB"), Budget(metric="latency_p90_ms", max="1s"))


def _arrange(
    evaluation: Evaluation,
    runs: Mapping[str, Mapping[str, bool]],
    meant: Mapping[str, Mapping[str, bool]] | None = None,
) -> Evaluation:
    """The Core ML bundle in float32 under several names: which phone runs each, and for which it is meant."""
    pattern = next(one for one in evaluation.variants if one.variant == "coreml-float32")
    variants = []
    for name, phones in runs.items():
        results = [
            result.model_copy(
                update={
                    "runs": phones[result.device],
                    "floor_reason": "needs iOS17; the phone has iOS 15",
                    "meant": (meant or {}).get(name, {}).get(result.device, True),
                }
            )
            for result in pattern.devices
        ]
        variants.append(pattern.model_copy(update={"variant": name, "devices": tuple(results)}))
    return evaluation.model_copy(update={"variants": tuple(variants)})


def _statuses(report: Comparison) -> dict[tuple[str, str | None], str | None]:
    return {(row.variant, row.device): row.status for row in report.rows}


def test_a_bundle_that_a_phone_cannot_run_is_no_failure_where_it_runs_another(evaluation: Evaluation) -> None:
    """w8a8 needs iOS 17: the older iPhone's app ships float16."""
    arranged = _arrange(evaluation, {"float16": {OLD: True, NEW: True}, "w8a8": {OLD: False, NEW: True}})
    report = compare(arranged, budgets=BUDGETS)
    assert report.outcome.status == "pass", report.outcome.reasons
    assert _statuses(report) == {
        ("float16", OLD): "passed",
        ("float16", NEW): "passed",
        ("w8a8", OLD): "not_applicable",
        ("w8a8", NEW): "passed",
    }
    assert report.outcome.not_applicable == 1
    assert {one.device: one.variant for one in report.choices}[OLD] == "float16"
    assert "1 not applicable" in summary.check_text(report)
    assert "· not applicable" in markdown.render(report)
    (skipped,) = ET.fromstring(junit.render(report)).findall(".//skipped")
    assert skipped.get("message") == (
        "the phone runs other bundles, and cannot run this one: needs iOS17; the phone has iOS 15"
    )
    page = render_page(report)
    assert "· not applicable" in page
    assert "the phone runs other bundles, and cannot run this one" in page


def test_a_phone_that_runs_none_of_its_bundles_stays_a_failure(evaluation: Evaluation) -> None:
    arranged = _arrange(evaluation, {"a": {OLD: False, NEW: True}, "b": {OLD: False, NEW: True}})
    report = compare(arranged, budgets=BUDGETS)
    assert report.outcome.status == "fail"
    assert _statuses(report)["a", OLD] == _statuses(report)["b", OLD] == "error"


def test_only_a_bundle_that_is_meant_for_the_phone_stands_in(evaluation: Evaluation) -> None:
    """That a bundle made for another phone would run is no reason to let this phone go without."""
    runs = {"a": {OLD: False, NEW: True}, "b": {OLD: True, NEW: True}}
    report = compare(_arrange(evaluation, runs, {"b": {OLD: False}}), budgets=BUDGETS)
    assert report.outcome.status == "fail"
    assert (_statuses(report)["a", OLD], _statuses(report)["b", OLD]) == ("error", "not_applicable")


def test_what_is_meant_for_another_phone_is_not_held_against_budgets_there(evaluation: Evaluation) -> None:
    runs = {"a": {OLD: True, NEW: True}, "b": {OLD: True, NEW: True}}
    arranged = _arrange(evaluation, runs, {"b": {OLD: False}})
    limit = next(result for result in arranged.variants[1].devices if result.device == OLD).scores["latency_p90_ms"]
    narrow = Budget(metric="latency_p90_ms", max=(limit.value or 0) - 1, variants=("b",))
    report = compare(arranged, budgets=(narrow,))
    assert {verdict.device for verdict in report.verdicts if verdict.rule == narrow.text} == {NEW}
    (row,) = [row for row in report.rows if row.status == "not_applicable"]
    assert row.reason == "it is meant for iPhone 15 Pro, not for this phone"
    assert {one.device: one.variant for one in report.choices}[OLD] is None  # of a no budget says how good it must be


def test_a_budget_that_meets_no_pair_says_so(evaluation: Evaluation) -> None:
    runs = {"a": {OLD: True, NEW: True}, "b": {OLD: False, NEW: True}}
    report = compare(
        _arrange(evaluation, runs),
        budgets=(Budget(metric="latency_p90_ms", max="1s", variants=("b",), devices=(OLD,)),),
    )
    assert any("the budget met no bundle" in reason for reason in report.outcome.reasons)


def test_a_bundle_that_no_phone_runs_is_a_warning(evaluation: Evaluation) -> None:
    report = compare(
        _arrange(evaluation, {"a": {OLD: True, NEW: True}, "b": {OLD: False, NEW: False}}), budgets=BUDGETS
    )
    assert report.outcome.status == "warn"
    assert any(reason.startswith("b: runs on a phone: it runs on none") for reason in report.outcome.reasons)


@pytest.mark.parametrize(("meant", "status"), [(True, "fail"), (False, "pass")])
def test_a_phone_that_ceases_to_run_a_bundle_fails_where_it_was_meant_for_it(
    evaluation: Evaluation, meant: bool, status: str
) -> None:
    """Another bundle that runs there is no excuse: an app in the field may ship this one."""
    before = _arrange(evaluation, {"a": {OLD: True, NEW: True}, "b": {OLD: True, NEW: True}})
    after = _arrange(evaluation, {"a": {OLD: True, NEW: True}, "b": {OLD: False, NEW: True}}, {"b": {OLD: meant}})
    assert compare(after, before, budgets=BUDGETS).outcome.status == status


def test_a_worse_number_where_a_bundle_is_not_meant_is_told_and_not_judged(evaluation: Evaluation) -> None:
    meant = {"b": {OLD: False}}
    runs = {"a": {OLD: True, NEW: True}, "b": {OLD: True, NEW: True}}
    before, after = _arrange(evaluation, runs, meant), _arrange(evaluation, runs, meant)
    slower = _slow_down(after.variants[1], OLD)
    after = after.model_copy(update={"variants": (after.variants[0], slower)})
    report = compare(after, before, budgets=BUDGETS)
    assert any(change.state == "worse" and change.device == OLD for change in report.changes)
    assert report.outcome.status == "pass", report.outcome.reasons


def _slow_down(variant: VariantResult, device: str) -> VariantResult:
    results = []
    for result in variant.devices:
        scores = {
            name: score.model_copy(
                update={
                    end: 10 * value for end in ("value", "low", "high") if (value := getattr(score, end)) is not None
                }
            )
            for name, score in result.scores.items()
        }
        results.append(result.model_copy(update={"scores": scores}) if result.device == device else result)
    return variant.model_copy(update={"devices": tuple(results)})
