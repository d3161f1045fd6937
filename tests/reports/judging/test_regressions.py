from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from evaluators.evaluation import Evaluation, VariantResult
from reports.errors import ReportError
from reports.judging.budgets import Budget
from reports.judging.comparison import compare
from reports.judging.regressions import RULE
from tests.reports.example_evaluation import ratio

GENEROUS = (Budget(metric="size_bytes", max="1GB"),)
Bend = Callable[[VariantResult], VariantResult]


def bend(evaluation: Evaluation, change: Bend, variant: str = "tflite-float32") -> Evaluation:
    variants = tuple(change(one) if one.variant == variant else one for one in evaluation.variants)
    return evaluation.model_copy(update={"variants": variants})


def scale_score(metric: str, factor: float) -> Bend:
    def change(variant: VariantResult) -> VariantResult:
        score = variant.scores[metric]
        score = score.model_copy(update={"value": (score.value or 0) * factor})
        return variant.model_copy(update={"scores": {**variant.scores, metric: score}})

    return change


def scale_phone(metric: str, factor: float) -> Bend:
    def change(variant: VariantResult) -> VariantResult:
        devices = []
        for device in variant.devices:
            score = device.scores[metric]
            ends = {end: getattr(score, end) * factor for end in ("value", "low", "high")}
            devices.append(
                device.model_copy(update={"scores": {**device.scores, metric: score.model_copy(update=ends)}})
            )
        return variant.model_copy(update={"devices": tuple(devices)})

    return change


def lower_clips(drop: float) -> Bend:
    def change(variant: VariantResult) -> VariantResult:
        clips = tuple(
            clip.model_copy(update={"scores": {"note_f1": ratio((clip.scores["note_f1"].value or 0) - drop)}})
            for clip in variant.clips
        )
        return variant.model_copy(update={"clips": clips})

    return change


def widen(variant: VariantResult) -> VariantResult:
    score = ratio(variant.scores["note_f1"].value or 0, 0.2)
    return variant.model_copy(update={"scores": {**variant.scores, "note_f1": score}})


def forbid(variant: VariantResult) -> VariantResult:
    devices = tuple(device.model_copy(update={"runs": False}) for device in variant.devices)
    return variant.model_copy(update={"devices": devices})


def harm(now: Evaluation, before: Evaluation, budgets: tuple[Budget, ...] = GENEROUS) -> list[tuple[Any, ...]]:
    """What the baseline alone speaks against."""
    verdicts = compare(now, before, budgets=budgets).verdicts
    own = [verdict for verdict in verdicts if "baseline" in verdict.rule and verdict.status != "passed"]
    return [(verdict.variant, verdict.device, verdict.metric, verdict.status) for verdict in own]


def test_nothing_changed(evaluation: Evaluation) -> None:
    assert harm(evaluation, evaluation) == []
    verdicts = compare(evaluation, evaluation, budgets=GENEROUS).verdicts
    passed = [verdict for verdict in verdicts if verdict.rule == RULE]
    assert {verdict.status for verdict in passed} == {"passed"}
    assert len(passed) == len([variant for variant in evaluation.variants if variant.failure is None])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lower_clips(0.01), [(None, "note_f1", "failed")]),
        (lower_clips(-0.01), []),
        (scale_score("size_bytes", 1.02), [(None, "size_bytes", "failed")]),
        (scale_score("size_bytes", 1.001), []),
        (scale_score("size_bytes", 0.5), []),
        (scale_score("peak_memory_bytes", 2), [(None, "peak_memory_bytes", "warned")]),
        (
            scale_phone("latency_ms", 1.4),
            [("pixel-8", "latency_ms", "failed"), ("galaxy-a14", "latency_ms", "failed")],
        ),
        (scale_phone("latency_ms", 1.05), []),
        (scale_phone("latency_ms", 0.5), []),
        (widen, [(None, "note_f1", "failed")]),
        (forbid, [("pixel-8", None, "failed"), ("galaxy-a14", None, "failed")]),
    ],
)
def test_a_planted_change_is_caught_when_it_is_for_the_worse(
    evaluation: Evaluation, change: Bend, expected: list[Any]
) -> None:
    assert harm(bend(evaluation, change), evaluation) == [("tflite-float32", *each) for each in expected]


def test_a_bundle_that_is_gone_blocks_and_a_new_one_does_not(evaluation: Evaluation) -> None:
    fewer = evaluation.model_copy(update={"variants": evaluation.variants[1:]})
    assert harm(fewer, evaluation) == [("tflite-float32", None, None, "failed")]
    assert harm(evaluation, fewer) == []


def test_what_cannot_be_compared_is_told_and_does_not_block(evaluation: Evaluation) -> None:
    clips = evaluation.dataset.model_copy(update={"sha256": "0" * 64})
    sound = {"variants": evaluation.variants[:1]}
    before = evaluation.model_copy(update={**sound, "dataset": clips})
    report = compare(evaluation.model_copy(update=sound), before, budgets=GENEROUS)
    assert report.outcome.status == "warn"
    assert "tflite-float32: cannot be compared: other clips than the baseline's" in report.outcome.reasons


def test_another_runtime_is_no_comparison_and_another_version_is(evaluation: Evaluation) -> None:
    def run_by(name: str) -> Evaluation:
        return bend(evaluation, lambda variant: variant.model_copy(update={"notices": (f"run by {name}",)}))

    assert harm(run_by("LiteRT 2.3.0"), run_by("LiteRT 2.2.0")) == []
    found = harm(run_by("LiteRT 2.3.0"), run_by("tflite-runtime 2.14.0"))
    assert ("tflite-float32", None, "note_f1", "error") in found
    assert ("tflite-float32", None, "size_bytes", "error") not in found


@pytest.mark.parametrize(
    ("budget", "change", "status"),
    [
        (Budget(metric="size_bytes", max_rise="5%", against="baseline"), scale_score("size_bytes", 1.04), "passed"),
        (Budget(metric="size_bytes", max_rise="5%", against="baseline"), scale_score("size_bytes", 1.06), "failed"),
        (Budget(metric="size_bytes", max_rise="10kB", against="baseline"), scale_score("size_bytes", 1.06), "failed"),
        (Budget(metric="note_f1", max_drop="2pp", against="baseline"), lower_clips(0.01), "passed"),
        (Budget(metric="note_f1", max_drop="0.5pp", against="baseline"), lower_clips(0.01), "failed"),
        (
            Budget(metric="note_f1", max_drop="0.5pp", against="baseline", level="warn"),
            lower_clips(0.01),
            "warned",
        ),
        (
            Budget(metric="latency_ms", max_rise="25%", against="baseline", devices=("pixel-8",)),
            scale_phone("latency_ms", 1.1),
            "passed",
        ),
        (
            Budget(metric="latency_ms", max_rise="15%", against="baseline", devices=("pixel-8",)),
            scale_phone("latency_ms", 1.1),  # within the prediction's error it may be 16 %
            "failed",
        ),
    ],
)
def test_a_budget_against_the_baseline_takes_the_rules_place(
    evaluation: Evaluation, budget: Budget, change: Bend, status: str
) -> None:
    verdicts = compare(bend(evaluation, change), evaluation, budgets=(budget,)).verdicts
    (found,) = [v for v in verdicts if v.rule == budget.text and v.variant == "tflite-float32"]
    assert found.status == status
    assert "baseline" in found.rule
    own = [v for v in verdicts if v.rule == RULE and v.metric == budget.metric and v.status != "passed"]
    assert all(v.device == "galaxy-a14" for v in own)


def test_without_a_baseline_it_is_said_that_budgets_wait_for_one(evaluation: Evaluation) -> None:
    sound = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    outcome = compare(sound, budgets=(Budget(metric="size_bytes", max_rise="5%", against="baseline"),)).outcome
    assert outcome.status == "warn"
    assert "1 budget is against a baseline, and none was given" in outcome.reasons


def test_a_budget_that_meets_no_number_of_the_baseline_is_no_pass(evaluation: Evaluation) -> None:
    budget = Budget(metric="size_bytes", max_rise="5%", against="baseline", variants=("coreml-float64",))
    verdicts = compare(evaluation, evaluation, budgets=(budget,)).verdicts
    assert [v.status for v in verdicts if v.rule == budget.text] == ["error"]


def test_a_limit_of_the_wrong_direction_is_refused(evaluation: Evaluation) -> None:
    budget = Budget(metric="size_bytes", max_drop="5%", against="baseline")
    with pytest.raises(ReportError, match="use max_rise"):
        compare(evaluation, evaluation, budgets=(budget,))


def test_a_bound_has_no_reference() -> None:
    with pytest.raises(ValidationError, match="against = 'baseline' goes with max_drop or max_rise"):
        Budget(metric="size_bytes", max="1MB", against="baseline")


def scale_errors(factor: float, loss_db: float = 0.0) -> Bend:
    def change(variant: VariantResult) -> VariantResult:
        parity = tuple(
            one.model_copy(
                update={
                    "max_abs_error": one.max_abs_error.model_copy(
                        update={"value": (one.max_abs_error.value or 0) * factor}
                    ),
                    "snr_db": one.snr_db.model_copy(update={"value": (one.snr_db.value or 0) - loss_db}),
                }
            )
            for one in variant.parity
        )
        return variant.model_copy(update={"parity": parity})

    return change


@pytest.mark.parametrize(
    ("variant", "change", "expected"),
    [
        ("tflite-float16", scale_errors(2.0), [(None, "max_abs_error", "failed")]),
        ("tflite-float16", scale_errors(1.4), []),
        ("tflite-float16", scale_errors(0.5), []),
        ("tflite-float32", scale_errors(30.0), []),  # both beyond 100 dB: what float32 rounds
        ("tflite-float32", scale_errors(30.0, 30.0), [(None, "max_abs_error", "failed"), (None, "snr_db", "failed")]),
    ],
)
def test_the_largest_error_is_compared(
    evaluation: Evaluation, variant: str, change: Bend, expected: list[tuple[Any, ...]]
) -> None:
    found = harm(bend(evaluation, change, variant), evaluation)
    assert sorted(found, key=str) == [(variant, *each) for each in expected]


def slow_down(factor: float, **changes: Any) -> Bend:
    def change(variant: VariantResult) -> VariantResult:
        timing = variant.timing
        assert timing is not None
        times = {
            name: getattr(timing, name).model_copy(update={"value": getattr(timing, name).value * factor})
            for name in ("p50_ms", "p90_ms")
        }
        samples = tuple(int(sample * factor) for sample in timing.samples_ns)
        return variant.model_copy(
            update={"timing": timing.model_copy(update={"samples_ns": samples, **times, **changes})}
        )

    return change


def find_host_changes(now: Evaluation, before: Evaluation) -> dict[str, tuple[str, str]]:
    changes = compare(now, before, budgets=GENEROUS).changes
    names = ("host_latency_p50_ms", "host_latency_p90_ms")
    own = [one for one in changes if one.variant == "tflite-float32" and one.metric in names]
    return {one.metric or "": (one.state, one.reason) for one in own}


def test_times_on_the_host_are_compared_with_their_spread_and_only_told(evaluation: Evaluation) -> None:
    slower = bend(evaluation, slow_down(2.0))
    found = find_host_changes(slower, evaluation)
    assert {state for state, _ in found.values()} == {"worse"}
    assert all("%: +" in reason for _, reason in found.values())
    assert harm(slower, evaluation) == []
    assert {state for state, _ in find_host_changes(bend(evaluation, slow_down(1.2)), evaluation).values()} == {"same"}
    assert {state for state, _ in find_host_changes(bend(evaluation, slow_down(0.4)), evaluation).values()} == {
        "better"
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (slow_down(1.0, machine="another"), "timed on another machine"),
        (slow_down(1.0, threads=4), "timed with 2 threads before, with 4 threads now"),
    ],
)
def test_times_of_other_stopwatches_are_no_comparison_and_no_warning(
    evaluation: Evaluation, change: Bend, reason: str
) -> None:
    now = bend(evaluation, change)
    assert set(find_host_changes(now, evaluation).values()) == {("not comparable", reason)}
    assert harm(now, evaluation) == []


def test_times_on_another_machine_are_no_comparison(evaluation: Evaluation) -> None:
    other = evaluation.environment.model_copy(update={"processor": "another"})
    found = find_host_changes(evaluation.model_copy(update={"environment": other}), evaluation)
    assert set(found.values()) == {("not comparable", "measured on another machine")}


@pytest.mark.parametrize(("rise", "status"), [("50%", "failed"), ("150%", "passed")])
def test_a_budget_judges_times_on_the_host(evaluation: Evaluation, rise: str, status: str) -> None:
    budget = Budget(metric="host_latency_p50_ms", max_rise=rise, against="baseline", variants=("tflite-float32",))
    verdicts = compare(bend(evaluation, slow_down(2.0)), evaluation, budgets=(budget,)).verdicts
    assert [verdict.status for verdict in verdicts if verdict.rule == budget.text] == [status]
