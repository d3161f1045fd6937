from __future__ import annotations

from typing import Any

import pytest

from device_profiles.record import parse_record
from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from evaluators.score import Score
from evaluators.target_records import OutputParity
from reports.errors import ReportError
from reports.judging.budgets import Budget, recipe_budgets
from reports.judging.verdicts import Verdict, judge
from tests.reports.example_evaluation import lower, predicted, ratio


def budget(**fields: Any) -> Budget:
    return parse_record(fields, Budget, where="recipe", error=ReportError)


def only(evaluation: Evaluation, variant: VariantResult) -> Evaluation:
    return evaluation.model_copy(update={"variants": (variant,)})


def judge_one(evaluation: Evaluation, **fields: Any) -> list[Verdict]:
    """Verdicts on one budget alone."""
    return [verdict for verdict in judge(evaluation, (budget(**fields),)) if verdict.metric is not None]


@pytest.fixture
def variant(evaluation: Evaluation) -> VariantResult:
    return evaluation.variants[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metric": "note_f1"}, "a budget has exactly one of max, min, max_drop, max_rise; none given for 'note_f1'"),
        ({"metric": "x", "max": 1, "min": 0}, "max and min given for 'x'"),
        ({"metric": "x", "max": "60 parsecs"}, "unknown unit 'parsecs'"),
        ({"metric": "x", "max": "+5%"}, "is a change, not a bound; use max_drop or max_rise"),
        ({"metric": "x", "min": "1pp"}, "is a change, not a bound"),
        ({"metric": "x", "max_drop": "+0.5pp"}, "points the wrong way; write it without its sign"),
        ({"metric": "x", "max_rise": -3}, "points the wrong way"),
        ({"metric": "x", "max": True}, "recipe: max"),
        ({"metric": "x", "maxx": 3}, "maxx: unknown key; did you mean 'max'?"),
        ({"metric": "x", "max": 3, "level": "fatal"}, "level: "),
    ],
)
def test_a_malformed_budget_says_what_is_wrong(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ReportError) as caught:
        budget(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"metric": "latency_ms", "max": "25ms"}, "latency_ms at most 25ms"),
        ({"metric": "note_f1", "min": 0.8}, "note_f1 at least 0.8"),
        ({"metric": "size_bytes", "max": 300000}, "size_bytes at most 300000"),
        ({"metric": "note_f1", "max_drop": "-0.5pp"}, "note_f1 at most 0.5pp below the source model"),
        ({"metric": "error_rate", "max_rise": "+5%"}, "error_rate at most 5% above the source model"),
    ],
)
def test_a_budget_reads_as_a_sentence(fields: dict[str, Any], text: str) -> None:
    assert budget(**fields).text == text


def test_an_unknown_metric_is_refused_with_the_nearest_one(evaluation: Evaluation) -> None:
    with pytest.raises(ReportError, match=r"unknown metric 'latency_p9_ms'; did you mean 'latency_p90_ms'\?; known"):
        judge(evaluation, (budget(metric="latency_p9_ms", max=60),))


def test_a_limit_of_another_dimension_is_refused(evaluation: Evaluation) -> None:
    with pytest.raises(ReportError, match="'25ms' is a time, but the metric's unit is bytes"):
        judge(evaluation, (budget(metric="size_bytes", max="25ms"),))


def test_phone_metrics_are_judged_per_phone_and_by_the_high_end(evaluation: Evaluation) -> None:
    verdicts = judge_one(evaluation, metric="latency_ms", max="60 ms", variants=["tflite-float32"])
    assert [(verdict.device, verdict.status) for verdict in verdicts] == [
        ("pixel-8", "passed"),
        ("galaxy-a14", "failed"),
    ]
    assert verdicts[1].score is not None
    assert verdicts[1].score.value == pytest.approx(49.6)  # within the limit; its interval is not
    assert verdicts[1].value == pytest.approx(79.36)
    assert verdicts[1].margin == pytest.approx(-19.36)
    assert "predicted, high end of the 80 % interval" in verdicts[1].reason


@pytest.mark.parametrize(
    ("written", "status"),
    [(0.011, "failed"), (0.013, "passed"), ("1.2pp", "passed"), ("1.6%", "passed"), ("1.4%", "failed")],
)
def test_a_drop_is_judged_by_the_intervals_low_end(
    evaluation: Evaluation, variant: VariantResult, written: float | str, status: str
) -> None:
    difference = ratio(-0.004, low=-0.012, high=0.004, confidence=0.95)
    found = only(evaluation, variant.model_copy(update={"differences": {"note_f1": difference}}))
    found = found.model_copy(
        update={"source": found.source.model_copy(update={"scores": {"note_f1": ratio(0.8)}})}  # 1.6 % of it are 0.0128
    )
    (verdict,) = judge_one(found, metric="note_f1", max_drop=written)
    assert verdict.status == status
    assert verdict.value == -0.012


def test_a_rise_is_judged_by_the_high_end_where_lower_is_better(evaluation: Evaluation, variant: VariantResult) -> None:
    difference = lower(0.002, "ratio", low=-0.001, high=0.02, confidence=0.95)
    found = only(evaluation, variant.model_copy(update={"differences": {"error_rate": difference}}))
    (verdict,) = judge_one(found, metric="error_rate", max_rise=0.01)
    assert (verdict.status, verdict.value, verdict.limit) == ("failed", 0.02, 0.01)
    with pytest.raises(ReportError, match="max_drop is not for a metric where lower is better; use max_rise"):
        judge_one(found, metric="error_rate", max_drop=0.01)


@pytest.mark.parametrize(
    ("differences", "reason"),
    [
        ({}, "note_f1 was not compared with the source model's"),
        ({"note_f1": ratio(0.0)}, "the difference has no interval, so a larger change cannot be excluded"),
        (
            {"note_f1": Score(value=None, unit="ratio", direction="higher", basis="emulated", reason="one clip only")},
            "the difference has no value: one clip only",
        ),
    ],
)
def test_a_drop_that_cannot_be_judged_is_an_error(
    evaluation: Evaluation, variant: VariantResult, differences: dict[str, Score], reason: str
) -> None:
    found = only(evaluation, variant.model_copy(update={"differences": differences}))
    (verdict,) = judge_one(found, metric="note_f1", max_drop=0.01)
    assert (verdict.status, verdict.reason, verdict.blocks) == ("error", reason, True)


def test_parity_is_judged_by_the_worst_output(evaluation: Evaluation) -> None:
    (verdict,) = judge_one(evaluation, metric="max_abs_error", max=0.05, variants=["coreml-float16"])
    assert (verdict.status, verdict.value) == ("failed", 0.1308)
    assert "output onset" in verdict.reason
    (verdict,) = judge_one(evaluation, metric="snr_db", min="19.5 dB", variants=["coreml-float16"])
    assert (verdict.status, verdict.value) == ("failed", 19.0)


def identical(output: str) -> OutputParity:
    absent = Score(value=None, unit="db", direction="higher", basis="emulated", reason="identical")
    cosine = Score(value=1.0, unit="dimensionless", direction="higher", basis="emulated")
    return OutputParity(output=output, snr_db=absent, max_abs_error=lower(0.0, "dimensionless"), cosine=cosine)


def test_identical_outputs_are_the_best_there_is(evaluation: Evaluation, variant: VariantResult) -> None:
    all_same = only(evaluation, variant.model_copy(update={"parity": (identical("note"), identical("onset"))}))
    (verdict,) = judge_one(all_same, metric="snr_db", min=1000)
    assert (verdict.status, verdict.value) == ("passed", None)
    one_same = only(evaluation, variant.model_copy(update={"parity": (identical("note"), variant.parity[1])}))
    (verdict,) = judge_one(one_same, metric="snr_db", min=1000)
    assert (verdict.status, verdict.detail) == ("failed", "output onset")


def test_parity_without_a_value_is_an_error(evaluation: Evaluation, variant: VariantResult) -> None:
    silent = Score(value=None, unit="db", direction="higher", basis="emulated", reason="the reference is silent")
    parity = (variant.parity[0].model_copy(update={"snr_db": silent}), *variant.parity[1:])
    (verdict,) = judge_one(only(evaluation, variant.model_copy(update={"parity": parity})), metric="snr_db", min=1)
    assert (verdict.status, verdict.reason) == ("error", "output note has no snr_db: the reference is silent")


def test_a_failed_bundle_is_an_error_with_the_failures_reason(evaluation: Evaluation) -> None:
    failed = only(evaluation, evaluation.variants[-1])
    verdicts = judge(failed, (budget(metric="size_bytes", max="300kB"),))
    assert [verdict.rule for verdict in verdicts] == ["has a result", "size_bytes at most 300kB"]
    assert {verdict.status for verdict in verdicts} == {"error"}
    assert all("no int8 kernel for LOG" in verdict.reason for verdict in verdicts)


def test_a_broken_promise_is_a_warning_and_stops_no_release(evaluation: Evaluation, variant: VariantResult) -> None:
    assert all(each.device is not None for each in judge(only(evaluation, variant), ()))
    broken = variant.model_copy(update={"broken": "departs from its source: note has 20.0 dB"})
    (told,) = [each for each in judge(only(evaluation, broken), ()) if each.device is None]
    assert (told.rule, told.status, told.level, told.blocks) == ("keeps its promise", "warned", "warn", False)
    assert told.reason == "BROKEN: departs from its source: note has 20.0 dB"


def test_a_phone_below_the_floor_of_all_bundles_is_an_error(evaluation: Evaluation) -> None:
    (refused,) = [variant for variant in evaluation.variants if variant.variant == "tflite-dynamic_wi8_afp32"]
    verdicts = [
        verdict
        for verdict in judge(only(evaluation, refused), (budget(metric="latency_ms", max=1000),))
        if verdict.device == "galaxy-a14"
    ]
    assert [verdict.status for verdict in verdicts] == ["error", "error"]
    assert all("the phone cannot run the bundle: FULLY_CONNECTED" in verdict.reason for verdict in verdicts)


def test_a_missing_number_is_an_error_never_a_pass(evaluation: Evaluation, variant: VariantResult) -> None:
    bare = only(evaluation, variant.model_copy(update={"scores": {}, "parity": (), "timing": None, "devices": ()}))
    found = {
        metric: judge_one(bare, metric=metric, max=1e12)[0]
        for metric in ("note_f1", "size_bytes", "max_abs_error", "latency_ms", "host_latency_p90_ms")
    }
    assert {verdict.status for verdict in found.values()} == {"error"}
    assert found["size_bytes"].reason == "size_bytes was not evaluated for this bundle"
    assert found["max_abs_error"].reason == "no output was compared with the source model's"
    assert found["latency_ms"].reason == "no phone was evaluated, so there is no latency_ms"
    assert found["host_latency_p90_ms"].reason == "the bundle was not timed on the host"


def test_a_number_of_the_host_never_stands_in_for_a_phones(evaluation: Evaluation, variant: VariantResult) -> None:
    scores = {**variant.scores, "latency_ms": lower(1.0, "ms", "measured_host")}
    (verdict,) = judge_one(
        only(evaluation, variant.model_copy(update={"scores": scores, "devices": ()})), metric="latency_ms", max=60
    )
    assert verdict.status == "error"


def test_host_timing_can_be_budgeted(evaluation: Evaluation, variant: VariantResult) -> None:
    (verdict,) = judge_one(only(evaluation, variant), metric="host_latency_p50_ms", max="1s")
    assert verdict.status == "passed"
    assert "measured on this host" in verdict.reason


def test_level_warn_tells_but_does_not_block(evaluation: Evaluation) -> None:
    (verdict,) = judge_one(evaluation, metric="size_bytes", max=1, level="warn", variants=["tflite-float32"])
    assert (verdict.status, verdict.blocks) == ("warned", False)
    (verdict,) = judge_one(evaluation, metric="size_bytes", max=1, level="warn", variants=["tflite-static_wi8_ai8"])
    assert (verdict.status, verdict.blocks) == ("error", False)


@pytest.mark.parametrize(
    ("fields", "variants"),
    [
        ({"variants": ["coreml"]}, ["coreml-float32", "coreml-float16", "nmp.mlpackage"]),
        ({"variants": ["nmp.tflite", "coreml-float16"]}, ["coreml-float16", "nmp.tflite"]),
        ({"precisions": ["float16"]}, ["tflite-float16", "coreml-float16"]),
        ({"precisions": ["float16"], "variants": ["tflite"]}, ["tflite-float16"]),
        ({"devices": ["iphone-12"]}, ["coreml-float32", "coreml-float16", "nmp.mlpackage"]),
        ({"devices": ["pixel-8"], "precisions": ["static_wi8_ai8"]}, ["tflite-static_wi8_ai8"]),
    ],
)
def test_a_budget_holds_for_what_it_names(evaluation: Evaluation, fields: dict[str, Any], variants: list[str]) -> None:
    assert [verdict.variant for verdict in judge_one(evaluation, metric="size_bytes", max=1, **fields)] == variants


def test_devices_pick_the_phones(evaluation: Evaluation) -> None:
    verdicts = judge_one(evaluation, metric="memory_bytes", max=1, devices=["iphone-12"])
    assert {verdict.device for verdict in verdicts} == {"iphone-12"}


@pytest.mark.parametrize("fields", [{"devices": ["pixel-9"]}, {"variants": ["onnx"]}, {"precisions": ["int3"]}])
def test_a_budget_that_meets_nothing_is_an_error(evaluation: Evaluation, fields: dict[str, Any]) -> None:
    (verdict,) = judge_one(evaluation, metric="latency_ms", max=1000, **fields)
    assert (verdict.status, verdict.variant) == ("error", None)
    assert verdict.reason == "the budget met no bundle: check its devices and variants"


def test_the_recipes_budgets_are_read(evaluation: Evaluation) -> None:
    assert [found.metric for found in recipe_budgets(evaluation)][:2] == ["note_f1", "latency_p90_ms"]
    broken = evaluation.model_copy(update={"recipe": {"budgets": [{"metric": "x", "max": "1 furlong"}]}})
    with pytest.raises(ReportError, match=r"the evaluation's recipe: budgets\[0\]: .*unknown unit 'furlong'"):
        recipe_budgets(broken)


def test_a_phone_without_the_number_is_an_error(evaluation: Evaluation, variant: VariantResult) -> None:
    bare = DeviceResult(
        device="pixel-8",
        runs=True,
        floor_reason="met",
        compute_unit="cpu",
        placement_reason="",
        scores={"latency_ms": predicted(3, "ms")},
    )
    found = only(evaluation, variant.model_copy(update={"devices": (bare,)}))
    (verdict,) = judge_one(found, metric="memory_bytes", max=1)
    assert (verdict.status, verdict.reason) == ("error", "no memory_bytes was predicted for this phone")


def test_thousands_of_budgets_are_one_message(evaluation: Evaluation) -> None:
    many = (Budget(metric="size_bytes", max=1),) * 1001
    data = {"budgets": [budget.model_dump(exclude_none=True) for budget in many]}
    with pytest.raises(ReportError, match=r"budgets: Tuple should have at most 1000 items"):
        recipe_budgets(evaluation.model_copy(update={"recipe": data}))


def test_more_verdicts_than_a_report_holds_are_one_message(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.judging.verdicts.MAX_VERDICTS", 50)
    budgets = (Budget(metric="size_bytes", max=1),) * 5
    assert len(judge(evaluation, budgets[:4])) <= 50
    with pytest.raises(ReportError, match="budgets times bundles and phones are more than 50; set fewer budgets"):
        judge(evaluation, budgets)


def test_an_unknown_metric_among_thousands_is_one_short_line(evaluation: Evaluation) -> None:
    scores = {f"metric {number}\n::error::{'x' * 1000}": ratio(0.5) for number in range(5000)}
    crowded = evaluation.variants[0].model_copy(update={"scores": scores})
    with pytest.raises(ReportError, match=r"and 49[0-9]{2} more") as caught:
        judge(evaluation.model_copy(update={"variants": (crowded,)}), (Budget(metric="metric\n4", max=1),))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 15_000
