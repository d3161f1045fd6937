from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.evaluation import Evaluation, VariantResult
from evaluators.score import Score
from reports.errors import ReportError
from reports.judging.budgets import Budget
from reports.judging.comparison import Comparison, compare
from reports.judging.shipping import Cause, Choice, choose, find_causes
from tests.reports.example_evaluation import lower

LARGE = Budget(metric="size_bytes", max="1GB")
"""what every bundle holds"""


def _only(evaluation: Evaluation, costs: Mapping[str, tuple[float | None, float]], precision: str = "") -> Evaluation:
    """The first bundle on one phone, several times: by name the predicted time and the size."""
    pattern = evaluation.variants[0]
    variants = []
    for name, (time_ms, size) in costs.items():
        scores = {} if time_ms is None else {"latency_p90_ms": lower(time_ms, "ms", basis="predicted")}
        result = pattern.devices[0].model_copy(update={"scores": scores})
        changed = {
            "variant": name,
            "scores": {**pattern.scores, "size_bytes": lower(size, "bytes")},
            "devices": (result,),
            "precision": precision or pattern.precision,
        }
        variants.append(pattern.model_copy(update=changed))
    return evaluation.model_copy(update={"variants": tuple(variants)})


def _choose(evaluation: Evaluation, *budgets: Budget) -> Choice:
    (choice,) = compare(evaluation, budgets=budgets).choices
    return choice


@pytest.mark.parametrize(
    ("costs", "named", "why"),
    [
        ({"a": (10, 100), "b": (20, 50)}, "a", "2 of 2 hold every budget; the fastest as predicted"),
        (
            {"a": (10, 100), "b": (10.9, 50)},
            "b",
            "2 of 2 hold every budget; the smallest of those predicted within 10% of the fastest",
        ),
        (
            {"a": (10, 50), "b": (10, 50)},
            "a",
            "2 of 2 hold every budget; the smallest of those predicted within 10% of the fastest",
        ),
        (
            {"a": (None, 100), "b": (None, 50)},
            "b",
            "2 of 2 hold every budget; the smallest; of their speed nothing is known",
        ),
        ({"a": (None, 1), "b": (30, 50)}, "b", "2 of 2 hold every budget; the fastest as predicted"),
        ({"a": (10, 100)}, "a", "it holds every budget"),
    ],
)
def test_the_fastest_is_named_and_of_equally_fast_ones_the_smallest(
    evaluation: Evaluation, costs: dict[str, tuple[float | None, float]], named: str, why: str
) -> None:
    choice = _choose(_only(evaluation, costs), LARGE)
    assert (choice.variant, choice.status, choice.reason) == (named, "passed", why)


def test_what_breaks_a_budget_is_not_named_however_fast(evaluation: Evaluation) -> None:
    three = _only(evaluation, {"a": (1, 900), "b": (20, 80), "c": (30, 70)})
    choice = _choose(three, Budget(metric="size_bytes", max=100))
    assert (choice.variant, choice.reason) == ("b", "2 of 3 hold every budget; the fastest as predicted")
    nothing = _choose(three, Budget(metric="size_bytes", max=1))
    assert (nothing.variant, nothing.status) == (None, None)
    assert nothing.reason == "each of 3 bundles breaks a budget or cannot run there"


def test_one_without_a_warning_is_named_before_a_faster_one_with(evaluation: Evaluation) -> None:
    two = _only(evaluation, {"a": (1, 900), "b": (20, 80)})
    choice = _choose(two, LARGE, Budget(metric="size_bytes", max=100, level="warn"))
    assert (choice.variant, choice.status) == ("b", "passed")
    assert choice.reason == "2 of 2 hold every budget, 1 without a warning"
    only = _choose(_only(evaluation, {"a": (1, 900)}), Budget(metric="size_bytes", max=100, level="warn"))
    assert (only.variant, only.status) == ("a", "warned")


def test_without_a_budget_nothing_is_named(evaluation: Evaluation) -> None:
    choice = _choose(_only(evaluation, {"a": (1, 900)}))
    assert (choice.variant, choice.reason) == (None, "no budget says how good it must be")
    for_others = Budget(metric="size_bytes", max="1GB", variants=("b",))
    both = _choose(_only(evaluation, {"a": (1, 1), "b": (9, 9)}), for_others)
    assert both.variant == "b"  # the faster and smaller one is covered by nothing


def test_each_phone_and_format_has_one_choice(evaluation: Evaluation, comparison: Comparison) -> None:
    places = {(result.device, one.format) for one in evaluation.variants for result in one.devices}
    assert sorted((choice.device, choice.format) for choice in comparison.choices) == sorted(places)
    order = list(evaluation.device_names)
    numbers = [order.index(choice.device) for choice in comparison.choices]
    assert numbers == sorted(numbers)
    status = {(row.variant, row.device): row.status for row in comparison.rows}
    for choice in comparison.choices:
        assert choice.variant is None or status[choice.variant, choice.device] == choice.status


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.floats(1, 1e3), st.floats(1, 1e6)), min_size=1))
def test_no_bundle_that_holds_is_faster_and_smaller_than_the_chosen_one(
    evaluation: Evaluation, costs: dict[str, tuple[float, float]]
) -> None:
    chosen = _choose(_only(evaluation, dict(costs)), LARGE).variant
    assert chosen is not None
    time_ms, size = costs[chosen]
    assert not any(other < time_ms / 1.1 for other, _ in costs.values())
    assert not any(other <= time_ms and small < size for other, small in costs.values())


def _causes(evaluation: Evaluation, *budgets: Budget) -> tuple[Cause, ...]:
    return find_causes(evaluation, compare(evaluation, budgets=budgets).verdicts)


def _depart(evaluation: Evaluation, error: float = 0.5) -> Evaluation:
    """Two bundles of a format, of which the float16 one departs."""
    there = [one for one in evaluation.variants if one.variant in ("coreml-float32", "coreml-float16")]
    return evaluation.model_copy(update={"variants": tuple(_with_error(one, error) for one in there)})


def _with_error(variant: VariantResult, error: float) -> VariantResult:
    if variant.precision != "float16":
        return variant
    worse = Score(value=error, unit="dimensionless", direction="lower", basis="emulated")
    return variant.model_copy(
        update={"parity": tuple(one.model_copy(update={"max_abs_error": worse}) for one in variant.parity)}
    )


def test_three_broken_budgets_of_one_departure_are_one_cause(evaluation: Evaluation) -> None:
    budgets = (
        Budget(metric="max_abs_error", max=0.01, precisions=("float16",)),
        Budget(metric="snr_db", min=1000, precisions=("float16",)),
        Budget(metric="note_f1", min=1, precisions=("float16",)),
    )
    (cause,) = [one for one in _causes(_depart(evaluation), *budgets) if one.is_departure]
    assert cause.subjects == (("coreml-float16", None),)
    assert "and 2 more budgets; it starts at op " in cause.reason
    assert cause.remedy == (
        "not tried: mixed_float16 under variants.coreml, which keeps in float32 what float16 is too coarse for"
    )


def test_a_mixed_bundle_that_holds_is_the_remedy_and_else_another_that_does(evaluation: Evaluation) -> None:
    broken = _depart(evaluation)
    budget = Budget(metric="max_abs_error", max=0.01, precisions=("float16",))
    (exact, half) = sorted(broken.variants, key=lambda one: one.precision == "float16")
    mixed = exact.model_copy(update={"variant": "coreml-mixed_float16", "precision": "mixed_float16"})
    (cause,) = _causes(broken.model_copy(update={"variants": (exact, mixed, half)}), budget)
    assert cause.remedy == "coreml-mixed_float16 keeps in float32 what float16 is too coarse for, and holds"
    other = half.model_copy(update={"precision": "linear_w8"})
    anywhere = budget.model_copy(update={"precisions": ("linear_w8",)})
    (cause,) = _causes(broken.model_copy(update={"variants": (exact, other)}), anywhere)
    assert cause.remedy == "coreml-float32 holds"


def test_what_breaks_a_budget_on_one_phone_is_no_remedy(evaluation: Evaluation) -> None:
    there = tuple(one for one in _depart(evaluation).variants if one.precision in ("float32", "float16"))
    (exact,) = (one for one in there if one.precision == "float32")
    slow = Budget(metric="latency_p90_ms", max=0.001, precisions=("float32",), devices=(exact.devices[0].device,))
    half = next(one for one in there if one.precision == "float16").model_copy(update={"precision": "linear_w8"})
    causes = _causes(
        evaluation.model_copy(update={"variants": (exact, half)}),
        Budget(metric="max_abs_error", max=0.01, precisions=("linear_w8",)),
        slow,
    )
    assert [cause.remedy for cause in causes if cause.is_departure] == [""]


def test_phones_on_which_one_bundle_is_too_slow_are_one_cause(evaluation: Evaluation) -> None:
    slow = next(one for one in evaluation.variants if sum(result.runs for result in one.devices) > 1)
    alone = evaluation.model_copy(update={"variants": (slow,)})
    causes = _causes(alone, Budget(metric="latency_p90_ms", max=0.001))
    (cause,) = [one for one in causes if "latency_p90_ms" in one.reason]
    assert len(cause.subjects) > 1
    assert cause.reason.endswith(", the widest miss")
    assert not cause.is_departure


def test_a_bundle_without_a_result_is_one_cause_whatever_the_budgets(evaluation: Evaluation) -> None:
    failed = evaluation.variants[-1]
    other = failed.model_copy(update={"variant": "tflite-other"})
    both = evaluation.model_copy(update={"variants": (failed, other)})
    (cause,) = _causes(both, LARGE, Budget(metric="note_f1", min=0.1))
    assert cause.subjects == ((failed.variant, None), ("tflite-other", None))


def test_nothing_is_a_cause_where_everything_holds(evaluation: Evaluation) -> None:
    sound = evaluation.model_copy(update={"variants": evaluation.variants[:1]})
    assert _causes(sound, LARGE) == ()
    assert choose(sound.model_copy(update={"variants": ()}), (), {}) == ()


def _minimise(evaluation: Evaluation, metric: object) -> Evaluation:
    return evaluation.model_copy(update={"recipe": {"search": {"minimise": metric}}})


@pytest.mark.parametrize(
    ("metric", "named", "why"),
    [
        ("latency_p90_ms", "a", "3 of 3 hold every budget; the fastest as predicted"),
        ("size_bytes", "c", "3 of 3 hold every budget; the smallest of those within 1% of the least size_bytes"),
        ("memory_bytes", "c", "3 of 3 hold every budget; the smallest; of their memory_bytes nothing is known"),
        ("max_abs_error", "c", "3 of 3 hold every budget; the smallest of those with the least max_abs_error"),
    ],
)
def test_the_recipe_says_what_the_named_bundle_has_least_of(
    evaluation: Evaluation, metric: str, named: str, why: str
) -> None:
    three = _only(evaluation, {"a": (10, 100), "b": (20, 50.2), "c": (30, 50)})
    choice = _choose(_minimise(three, metric), LARGE)
    assert (choice.variant, choice.reason) == (named, why)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("note_f1", r"search.minimise: more note_f1 is better; set its limit in \[\[budgets\]\], and minimise one of "),
        ("latency_p9_ms", "search.minimise: unknown metric 'latency_p9_ms'.*did you mean 'latency_p90_ms'"),
        (7, "search.minimise: unknown metric '7'; known: "),
    ],
)
def test_what_cannot_be_minimised_is_refused(evaluation: Evaluation, metric: object, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        _choose(_minimise(_only(evaluation, {"a": (10, 100)}), metric), LARGE)
