from __future__ import annotations

import json
from pathlib import Path

import pytest

from device_profiles.record import dump_json
from device_profiles.text import clean_text
from evaluators.evaluation import Evaluation
from evaluators.score import Score
from reports.errors import ReportError
from reports.judging.baseline import find_changes
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare, describe_subject, load_evaluation
from tests.reports.example_evaluation import lower, ratio


def test_the_verdict_is_as_bad_as_its_worst_budget(evaluation: Evaluation, comparison: Comparison) -> None:
    outcome = comparison.outcome
    assert (outcome.status, outcome.failed, outcome.errors) == ("fail", 7, 6)
    counts = outcome.passed, outcome.warned, outcome.failed, outcome.errors, outcome.not_applicable
    assert sum(counts) == len(comparison.verdicts)

    sound = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    assert compare(sound, budgets=(Budget(metric="size_bytes", max="300kB"),)).outcome.status == "pass"
    assert compare(sound, budgets=(Budget(metric="size_bytes", max=1, level="warn"),)).outcome.status == "warn"
    assert compare(sound, budgets=(Budget(metric="size_bytes", max=1),)).outcome.status == "fail"


def test_without_budgets_or_bundles_nothing_passes(evaluation: Evaluation) -> None:
    unbudgeted = compare(evaluation.model_copy(update={"variants": evaluation.variants[:1]}), budgets=()).outcome
    assert unbudgeted.status == "warn"
    assert unbudgeted.reasons == ("no budget was set, so nothing says how good the bundles must be",)
    empty = compare(evaluation.model_copy(update={"variants": ()}), budgets=()).outcome
    assert (empty.status, empty.reasons[-1]) == ("fail", "there is no bundle")


def test_a_failed_bundle_fails_even_without_budgets(evaluation: Evaluation) -> None:
    failed = evaluation.model_copy(update={"variants": evaluation.variants[-1:]})
    assert compare(failed, budgets=()).outcome.status == "fail"


def test_reasons_stand_in_order_of_weight_and_each_cause_once(comparison: Comparison) -> None:
    reasons = comparison.outcome.reasons
    assert reasons[0].startswith("coreml-float16: note_f1")  # 170 % over its limit, the widest miss
    assert len([reason for reason in reasons if reason.startswith("coreml-float16: ")]) == 1  # what it departs by, once
    assert len([reason for reason in reasons if "tflite-static_wi8_ai8" in reason]) == 1
    assert len([reason for reason in reasons if "cannot run" in reason]) == 0  # another bundle runs there
    assert len(set(reasons)) == len(reasons)


def test_what_blocks_is_told_before_what_only_warns(evaluation: Evaluation) -> None:
    nowhere = {"metric": "latency_ms", "devices": ("pixel-9",)}
    budgets = (Budget(**nowhere, max=1, level="warn"), Budget(**nowhere, max=2))
    sound = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    reasons = compare(sound, budgets=budgets).outcome.reasons
    assert [reason.partition(":")[0] for reason in reasons] == ["latency_ms at most 2", "latency_ms at most 1"]


def test_rows_take_the_worst_verdict_of_bundle_and_phone(comparison: Comparison) -> None:
    status = {(row.variant, row.device): row.status for row in comparison.rows}
    assert status["tflite-float32", "pixel-8"] == "passed"
    assert status["tflite-float32", "galaxy-a14"] == "failed"
    assert status["coreml-float16", "iphone-15-pro"] == "failed"  # the bundle's own budget counts on each phone
    assert status["tflite-static_wi8_ai8", None] == "error"


def test_subjects_are_named_for_people(evaluation: Evaluation) -> None:
    assert describe_subject(evaluation, "coreml-float16", "iphone-12") == "coreml-float16 on iPhone 12"
    assert describe_subject(evaluation, "coreml-float16", None) == "coreml-float16"


def test_an_evaluation_is_read_back_as_it_was(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(dump_json(evaluation), encoding="utf-8")
    assert load_evaluation(path) == evaluation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 7}', "schema_version 7 is newer than this testpress reads (3)"),
        ('{"schema_version": true}', "there is no whole number under schema_version"),
        ("[]", "not an evaluation"),
        ("{", "not valid JSON"),
        ('{"schema_version": 1}', "task: missing"),
        ('{"schema_version": 0}', "schema_version 0 is none that there ever was"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_bad_file_says_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReportError) as caught:
        load_evaluation(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_or_binary_file_is_a_report_error(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no such file"):
        load_evaluation(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match="cannot be read"):
        load_evaluation(tmp_path / "binary.json")


def change_score(evaluation: Evaluation, metric: str, score: object) -> Evaluation:
    first = evaluation.variants[0]
    changed = first.model_copy(update={"scores": {**first.scores, metric: score}})
    return evaluation.model_copy(update={"variants": (changed, *evaluation.variants[1:])})


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (ratio(0.80, 0.02), ratio(0.85, 0.02), "better"),
        (ratio(0.80, 0.04), ratio(0.85, 0.04), "same"),  # 0.05 ± 0.057
        (ratio(0.85, 0.02), ratio(0.80, 0.02), "worse"),
        (ratio(0.80), ratio(0.80), "same"),
        (ratio(0.80), ratio(0.81), "better"),
        (lower(20, "ms"), lower(21, "ms"), "worse"),
        (lower(20, "ms"), lower(21, "ms", "predicted"), "not comparable"),
        (lower(20, "ms"), lower(0.02, "s"), "not comparable"),
    ],
)
def test_a_change_counts_when_the_intervals_say_so(
    evaluation: Evaluation, before: object, after: object, state: str
) -> None:
    changes = find_changes(change_score(evaluation, "x", before), change_score(evaluation, "x", after))
    assert [change.state for change in changes if change.metric == "x"] == [state]
    assert {change.state for change in changes if change.metric != "x"} == {"same"}


def test_bundles_come_and_go(evaluation: Evaluation) -> None:
    old = evaluation.model_copy(update={"variants": evaluation.variants[:2]})
    new = evaluation.model_copy(update={"variants": evaluation.variants[1:3]})
    states = {change.variant: change.state for change in find_changes(old, new)}
    assert states == {"tflite-float16": "same", "tflite-dynamic_wi8_afp32": "new", "tflite-float32": "gone"}


def test_other_clips_make_task_scores_incomparable_and_sizes_not(evaluation: Evaluation) -> None:
    other = evaluation.model_copy(update={"dataset": evaluation.dataset.model_copy(update={"sha256": "0" * 64})})
    changes = find_changes(other, evaluation)
    assert {change.state for change in changes if change.metric == "note_f1"} == {"not comparable"}
    assert {change.state for change in changes if change.metric == "size_bytes"} == {"same"}


@pytest.mark.parametrize(("version", "state"), [(3, "not comparable"), (2, "same")])
def test_a_task_that_is_set_otherwise_makes_its_scores_incomparable(
    evaluation: Evaluation, version: int, state: str
) -> None:
    set_otherwise = {"task_options": {"onset_threshold": 0.6}, "schema_version": version}
    changes = find_changes(evaluation.model_copy(update=set_otherwise), evaluation)
    assert {change.state for change in changes if change.metric == "note_f1"} == {state}
    assert {change.state for change in changes if change.metric in ("size_bytes", "snr_db")} == {"same"}


def test_clips_of_which_none_has_a_value_twice_cannot_be_compared(evaluation: Evaluation) -> None:
    variant = evaluation.variants[0]
    silent = ratio(0.5).model_copy(update={"value": None, "reason": "silence"})
    clips = tuple(clip.model_copy(update={"scores": {"note_f1": silent}}) for clip in variant.clips)
    before = evaluation.model_copy(update={"variants": (variant.model_copy(update={"clips": clips}),)})
    after = evaluation.model_copy(update={"variants": (variant,)})
    (change,) = (each for each in find_changes(before, after) if each.metric == "note_f1")
    assert (change.state, change.difference) == ("not comparable", None)
    assert change.reason == "no pair of clips has values: silence"


def test_a_bundle_that_fails_now_is_worse_and_told(evaluation: Evaluation) -> None:
    failed = evaluation.variants[-1].model_copy(update={"variant": "tflite-float32"})
    now = evaluation.model_copy(update={"variants": (failed, *evaluation.variants[1:])})
    report = compare(now, evaluation)
    assert [change.variant for change in report.changes if change.state == "worse"] == ["tflite-float32"]
    told = [reason for reason in report.outcome.reasons if reason.startswith("tflite-float32: no worse than")]
    assert len(told) == 1
    assert "it has no result any more" in told[0]
    assert report.baseline_created == evaluation.created


def test_another_model_is_no_baseline(evaluation: Evaluation) -> None:
    other = evaluation.model_copy(update={"model": evaluation.model.model_copy(update={"name": "crepe"})})
    with pytest.raises(ReportError, match="the baseline's model is 'crepe', this evaluation's is 'basic-pitch'"):
        compare(evaluation, other)


@pytest.mark.slow
def test_the_comparison_itself_can_be_stored(comparison: Comparison) -> None:
    assert Comparison.model_validate_json(json.dumps(comparison.model_dump(mode="json"))) == comparison


def test_a_broken_parity_budget_names_where_the_departure_starts(evaluation: Evaluation) -> None:
    drifting = next(variant for variant in evaluation.variants if variant.drift is not None)
    budget = Budget(metric="max_abs_error", max=1e-9)
    reasons = compare(evaluation, budgets=(budget,)).outcome.reasons
    named = [reason for reason in reasons if f"it starts at op {drifting.drift.first_op[:20]}" in reason]
    assert [reason.split(":")[0] for reason in named] == [drifting.variant]


def test_a_reason_is_one_line_whatever_the_names_are(evaluation: Evaluation) -> None:
    evil = "a\n::error::b\x1b[31m\u202e"
    absent = Score(value=None, reason=evil, unit=evil, direction="lower", basis="emulated")
    variant = evaluation.variants[0].model_copy(
        update={"variant": evil, "scores": {"size_bytes": absent, evil: absent}}
    )
    budgets = (Budget(metric="size_bytes", max=1), Budget(metric=evil, max=1))
    report = compare(evaluation.model_copy(update={"variants": (variant,)}), budgets=budgets)
    assert len(report.outcome.reasons) == 1  # one cause, told once
    assert not [reason for reason in report.outcome.reasons if clean_text(" ".join(reason.split())) != reason]


def test_more_tests_than_can_be_made_are_one_message(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.judging.baseline.MAX_TESTS", 7)
    assert find_changes(evaluation, evaluation)
    monkeypatch.setattr("reports.judging.baseline.MAX_TESTS", 6)
    with pytest.raises(ReportError, match="7 metrics of clips would be compared; at most 6 are"):
        find_changes(evaluation, evaluation)
