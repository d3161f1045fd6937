from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.comparing import statistics
from evaluators.comparing.statistics import (
    Interval,
    adjust_by_holm,
    aggregate,
    bootstrap,
    difference,
    paired_bootstrap,
    paired_p_value,
)
from evaluators.errors import EvaluationError
from evaluators.score import Score

VALUES = st.lists(st.floats(-5, 5), min_size=2, max_size=30)


def _score(value: float | None, *, unit: str = "ratio", direction: str = "higher", basis: str = "emulated") -> Score:
    return Score(
        value=value,
        unit=unit,
        direction=direction,
        basis=basis,
        reason=None if value is not None else "no labelled note",
    )


def test_mean_difference_is_estimate_minus_reference() -> None:
    interval = paired_bootstrap([0.5, 0.6, 0.7], [0.4, 0.6, 0.5])
    assert interval.mean == pytest.approx(-0.1)
    assert interval.low < -0.1 < interval.high
    assert (interval.used, interval.left_out, interval.reason) == (3, 0, None)


def test_two_pairs_reach_from_one_difference_to_the_other() -> None:
    # Resampled means are 0, 0.5 and 1; Student's t of one degree of freedom asks for the outermost.
    interval = paired_bootstrap([0, 0], [0, 1])
    assert (interval.low, interval.mean, interval.high) == (0, 0.5, 1)


def test_close_to_students_t_where_that_is_right() -> None:
    from scipy import stats

    values = np.random.default_rng(3).normal(0.2, 1, 40)
    expected = stats.t.interval(0.95, 39, values.mean(), values.std(ddof=1) / np.sqrt(40))
    interval = bootstrap(values)
    # A twentieth of the width: the sample is not quite normal and 10,000 resamples leave some noise.
    assert (interval.low, interval.high) == pytest.approx(expected, abs=0.05 * (expected[1] - expected[0]))


def test_few_clips_get_students_wider_interval() -> None:
    from scipy import stats

    values = stats.norm.ppf((np.arange(8) + 0.5) / 8)
    interval = bootstrap(values)
    expected = 2 * stats.t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    # The plain percentile interval is a fifth narrower; means of 8 values have somewhat lighter tails than normal ones.
    assert interval.high - interval.low == pytest.approx(expected, rel=0.06)


def test_coverage_of_95_percent() -> None:
    random = np.random.default_rng(11)
    trials, n_clips = 400, 28
    hits = 0
    for seed in range(trials):
        reference = random.uniform(0, 1, n_clips)
        interval = paired_bootstrap(reference, reference + random.normal(0.1, 0.3, n_clips), resamples=500, seed=seed)
        hits += interval.low <= 0.1 <= interval.high
    # 0.945 over 2000 trials (benchmarks/bootstrap_coverage.py); three standard errors of 400 trials are 0.034.
    assert hits / trials == pytest.approx(0.945, abs=0.034)


@settings(deadline=None, max_examples=40)
@given(values=VALUES, shift=st.floats(-3, 3))
def test_properties(values: list[float], shift: float) -> None:
    one = bootstrap(values, resamples=200)
    assert min(values) - 1e-9 <= one.low <= one.high <= max(values) + 1e-9
    assert one == bootstrap(values, resamples=200)
    moved = bootstrap([value + shift for value in values], resamples=200)
    assert (moved.low, moved.high) == pytest.approx((one.low + shift, one.high + shift), abs=1e-9)
    wider = bootstrap(values, resamples=200, confidence=0.99)
    assert wider.low <= one.low
    assert wider.high >= one.high


def test_seeds_differ() -> None:
    values = np.random.default_rng(0).normal(size=20)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_no_difference_has_an_interval_of_no_width() -> None:
    interval = paired_bootstrap([0.1, 0.7, 0.3], [0.1, 0.7, 0.3])
    assert (interval.low, interval.mean, interval.high) == (0, 0, 0)


def test_many_values_are_resampled_in_blocks() -> None:
    values = np.random.default_rng(0).normal(size=30_000)
    interval = bootstrap(values, resamples=300)
    # Student's t: 1.96 / sqrt(30,000) = 0.0113; 300 resamples leave its ends to within a fifth.
    assert interval.high - interval.low == pytest.approx(2 * 0.0113, rel=0.2)


def test_counting_draws_is_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(8).normal(size=25)
    counted = bootstrap(values)
    monkeypatch.setattr(statistics, "_MOST_COUNTS", 0)
    drawn = bootstrap(values)
    assert (counted.low, counted.high) == pytest.approx((drawn.low, drawn.high), abs=1e-12)


def test_pairs_lacking_a_side_are_left_out_and_counted() -> None:
    interval = paired_bootstrap([0.5, None, 0.7, 0.9], [0.4, 0.6, float("nan"), 0.8])
    assert (interval.used, interval.left_out) == (2, 2)
    assert interval.mean == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("reference", "estimate", "expected"),
    [
        ([], [], Interval(None, None, None, 0.95, 0, 0, "no pair of clips has values")),
        ([None], [1.0], Interval(None, None, None, 0.95, 0, 1, "no pair of clips has values")),
        ([0.5, None], [0.75, 0.1], Interval(0.25, None, None, 0.95, 1, 1, "only one pair of clips has values")),
    ],
)
def test_too_few_pairs(reference: list[float | None], estimate: list[float | None], expected: Interval) -> None:
    assert paired_bootstrap(reference, estimate) == expected


@pytest.mark.parametrize(
    ("reference", "estimate", "options", "message"),
    [
        ([1.0], [1.0, 2.0], {}, "paired values must be as many on both sides: 1 reference, 2 estimate"),
        (
            [1.0, float("inf")],
            [1.0, 2.0],
            {},
            "reference must be one finite number or nothing a clip; found an infinite value",
        ),
        ([1.0, 1.0], np.ones((2, 2)), {}, "estimate must be one finite number or nothing a clip; found shape (2, 2)"),
        ([1.0, 1.0], [1.0, 2.0], {"confidence": 1.0}, "confidence must lie between 0 and 1, found 1.0"),
        ([1.0, 1.0], [1.0, 2.0], {"resamples": 0}, "resamples must be at least 1, found 0"),
    ],
)
def test_refuses(reference: list[float], estimate: list[float], options: dict[str, float], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        paired_bootstrap(reference, estimate, **options)
    assert str(caught.value) == message


def test_aggregate_is_the_mean_with_its_interval() -> None:
    score = aggregate([_score(0.5), _score(None), _score(0.7), _score(0.9)])
    assert score.value == pytest.approx(0.7)
    assert 0.5 <= score.low < 0.7 < score.high <= 0.9
    assert (score.unit, score.direction, score.basis, score.confidence) == ("ratio", "higher", "emulated", 0.95)


def test_aggregate_of_one_value_has_no_interval() -> None:
    score = aggregate([_score(0.5), _score(None)])
    assert (score.value, score.low, score.high, score.confidence, score.reason) == (0.5, None, None, None, None)


def test_aggregate_of_nothing_says_why() -> None:
    score = aggregate([_score(None), _score(None)])
    assert (score.value, score.reason) == (None, "no clip has values: no labelled note")


def test_difference_is_paired() -> None:
    reference = [_score(value, basis="measured_host") for value in (0.1, 0.5, 0.9)]
    score = difference(reference, [_score(value) for value in (0.05, 0.45, 0.85)])
    # Unpaired, the clips' own spread would make the interval half as wide as the scale.
    assert (score.low, score.value, score.high) == pytest.approx((-0.05, -0.05, -0.05))
    assert (score.basis, score.unit) == ("emulated", "ratio")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "no score to average: at least one clip is needed"),
        ([_score(1), _score(1, unit="ms")], "scores of different unit cannot be put together: ms, ratio"),
        (
            [_score(1), _score(1, direction="lower")],
            "scores of different direction cannot be put together: higher, lower",
        ),
        (
            [_score(1), _score(1, basis="predicted")],
            "scores of different basis cannot be put together: emulated, predicted",
        ),
    ],
)
def test_aggregate_refuses(scores: list[Score], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        aggregate(scores)
    assert str(caught.value) == message


def test_difference_refuses_another_unit() -> None:
    with pytest.raises(EvaluationError, match="different unit"):
        difference([_score(1, unit="ms")], [_score(1)])


def test_a_p_value_is_the_level_at_which_the_interval_begins_to_hold_0() -> None:
    random = np.random.default_rng(5)
    reference = random.normal(0, 1, 24)
    estimate = reference + random.normal(0.35, 1, 24)
    p_value = paired_p_value(reference, estimate)
    for confidence, holds in ((1 - p_value + 0.01, True), (1 - p_value - 0.01, False)):
        interval = paired_bootstrap(reference, estimate, confidence=confidence)
        assert (interval.low <= 0 <= interval.high) == holds


def test_p_values_of_unchanged_data_are_spread_evenly() -> None:
    random = np.random.default_rng(6)
    found = []
    for _ in range(400):
        reference = random.normal(0, 1, 20)
        found.append(paired_p_value(reference, reference + random.normal(0, 0.3, 20), resamples=1000))
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.085  # 0.05, give or take three standard errors


def test_no_change_and_too_few_clips_are_no_evidence() -> None:
    assert paired_p_value([0.5, 0.7], [0.5, 0.7]) == 1
    assert paired_p_value([0.5, None], [0.9, 0.7]) == 1
    assert paired_p_value([0.5] * 20, [0.4] * 20) < 1e-9


def test_holm_by_hand() -> None:
    assert adjust_by_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_by_holm([0.5, 0.6]) == [1.0, 1.0]
    assert adjust_by_holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = adjust_by_holm(p_values)
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))
    assert sorted(adjusted) == [adjusted[i] for i in sorted(range(len(p_values)), key=p_values.__getitem__)]


LARGEST = 1.7976931348623157e308


@given(st.lists(st.sampled_from([0.0, 5e-324, 1e-200, 1.0, 1e200, 1e300, LARGEST, -LARGEST]), min_size=2, max_size=6))
def test_any_finite_numbers_have_a_finite_mean_and_interval(values: list[float]) -> None:
    opposite = [-value for value in values]
    for found in (bootstrap(values), paired_bootstrap(values, opposite)):
        assert found.low is not None
        assert found.high is not None
        assert -LARGEST <= found.low <= found.high <= LARGEST
        width = max(abs(found.low), abs(found.high)) * 1e-12
        assert found.low - width <= found.mean <= found.high + width
    assert 0 <= paired_p_value(values, opposite) <= 1


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**900])
def test_an_interval_scales_with_its_values(factor: float) -> None:
    values = np.random.default_rng(4).normal(0.2, 1, 12)
    plain, scaled = bootstrap(values), bootstrap(values * factor)
    assert (scaled.low, scaled.mean, scaled.high) == tuple(
        None if end is None else end * factor for end in (plain.low, plain.mean, plain.high)
    )
    assert paired_p_value(values * 0, values * factor) == paired_p_value(values * 0, values)
