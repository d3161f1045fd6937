"""A synthetic phone whose true factors are known, and what its rows make of predictions."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.profile import read_profile
from evaluators.costs.latency import LatencyPrediction
from evaluators.costs.own_measurements import (
    MOST_ROWS,
    MeasuredCall,
    PhoneCalibration,
    describe_cost_model,
    describe_profile,
)
from evaluators.costs.part_factors import fit_factors
from evaluators.costs.phone_model import apply_calibration, fit_phone, left_out_ms, spent_of, tell_calibration
from evaluators.costs.placement import Compute
from evaluators.score import Score

CPU = Compute("LiteRT", "cpu", "float32")
INT8 = Compute("LiteRT", "cpu", "int8")
GPU = Compute("LiteRT", "gpu", "float16")
TRUE = {"call": 1.6, "ops": 0.5, "arithmetic": 1.3, "memory": 0.8}
PHONE = read_profile("pixel-8")


def call(parts: dict[str, float], measured_ms: float, compute: Compute = CPU, model: int = 0) -> MeasuredCall:
    return MeasuredCall(
        file=f"{model}.tflite", sha256=f"{model:064x}", runtime=compute.runtime, unit=compute.unit,
        number=compute.number, threads=1, measured_ms=measured_ms, source="here", parts=parts,
    )  # fmt: skip


def some_parts(seed: int) -> dict[str, float]:
    """Of models from one op to hundreds, from nothing to billions of multiply-adds."""
    logs = np.random.default_rng(seed).uniform([-3, -4, -4, -4], [-2, 2, 3, 2])
    return dict(zip(TRUE, np.exp(logs).tolist(), strict=True))


def true_ms(parts: dict[str, float]) -> float:
    return sum(ms * TRUE[part] for part, ms in parts.items())


def phone_rows(count: int, *, noise: float = 0.0) -> list[MeasuredCall]:
    shakes = np.exp(noise * np.random.default_rng(99).standard_normal(count))
    return [call(p := some_parts(seed), true_ms(p) * shakes[seed], model=seed) for seed in range(count)]


def calibration(rows: list[MeasuredCall]) -> PhoneCalibration:
    return PhoneCalibration(
        device=PHONE.id, profile_sha256=describe_profile(PHONE), cost_model_sha256=describe_cost_model(),
        rows=tuple(rows),
    )  # fmt: skip


def prediction(parts: dict[str, float], reach: float = 1.5) -> LatencyPrediction:
    value = sum(parts.values())
    score = Score(
        value=value, unit="ms", direction="lower", basis="predicted", low=value / reach, high=value * reach,
        confidence=0.8,
    )  # fmt: skip
    return LatencyPrediction(score, score.model_copy(update={"value": score.high}), (), parts)


def reach_of(found: LatencyPrediction) -> float:
    score = found.latency_ms
    assert score.low is not None and score.high is not None
    return math.sqrt(score.high / score.low)


def test_ten_rows_of_a_phone_predict_its_other_models() -> None:
    factors = fit_factors(phone_rows(10, noise=0.03))
    errors = [abs(factors.predict_ms(CPU, p := some_parts(seed)) / true_ms(p) - 1) for seed in range(100, 160)]
    before = [abs(sum((p := some_parts(seed)).values()) / true_ms(p) - 1) for seed in range(100, 160)]
    assert np.mean(errors) < 0.1 < np.mean(before)


def test_many_rows_recover_the_factors() -> None:
    factors = fit_factors(phone_rows(60))
    for part, true in TRUE.items():
        assert factors.factor(CPU, part) == pytest.approx(true, rel=0.05)


def test_no_rows_change_nothing() -> None:
    parts = some_parts(1)
    assert fit_factors([]).predict_ms(CPU, parts) == pytest.approx(sum(parts.values()))
    assert fit_factors([]).knowledge(CPU, parts) == pytest.approx(1)
    assert apply_calibration(prediction(parts), CPU, calibration([])) == prediction(parts)


def test_one_row_moves_all_parts_the_common_way() -> None:
    parts = dict.fromkeys(TRUE, 1.0)
    factors = fit_factors([call(parts, 8.0)])
    found = [factors.factor(CPU, part) for part in TRUE]
    assert found == pytest.approx([found[0]] * 4)
    assert factors.predict_ms(CPU, parts) == pytest.approx(8.0, rel=0.05)
    # The other types of the unit share the larger piece of it.
    assert 1 < factors.factor(INT8, "call") < found[0]
    assert math.log(factors.factor(INT8, "call")) > 0.5 * math.log(found[0])


def test_rows_of_one_unit_say_nothing_of_another() -> None:
    before = prediction(some_parts(3))
    known = calibration(phone_rows(5))
    assert apply_calibration(before, GPU, known) == before
    assert tell_calibration(known, GPU) == "None of the 5 measured rows of this phone tells of LiteRT, gpu, float16."
    one = calibration(phone_rows(1))
    assert tell_calibration(one, CPU) == "Moved by 1 measured row of LiteRT, cpu, float32 on this phone."
    assert tell_calibration(known, INT8).startswith(
        "Moved by 0 measured rows of LiteRT, cpu, int8 on this phone, and 5 "
    )


def test_the_interval_shrinks_with_rows_that_agree_and_not_with_one() -> None:
    parts = some_parts(200)
    reaches = [reach_of(apply_calibration(prediction(parts), CPU, calibration(phone_rows(n)))) for n in (0, 1, 5, 40)]
    assert reaches[0] == pytest.approx(1.5)
    assert reaches[3] < reaches[2] < reaches[0]
    assert reaches[3] < 1.1
    agreeing = calibration([call(parts, sum(parts.values()))])
    assert 1.2 < reach_of(apply_calibration(prediction(parts), CPU, agreeing)) < 1.5


def test_rows_that_contradict_each_other_widen_the_interval() -> None:
    parts = some_parts(4)
    ms = sum(parts.values())
    rows = [call(parts, ms * factor, model=index) for index, factor in enumerate((0.3, 3.0, 0.3, 3.0))]
    assert reach_of(apply_calibration(prediction(parts), CPU, calibration(rows))) > 2


def test_the_interval_holds_as_many_models_as_it_says() -> None:
    known = calibration(phone_rows(10, noise=0.05))
    held = 0
    for seed in range(100, 200):
        parts = some_parts(seed)
        score = apply_calibration(prediction(parts), CPU, known).latency_ms
        assert score.low is not None and score.high is not None
        held += score.low <= true_ms(parts) <= score.high
    assert held >= 80


def test_a_prediction_stays_the_sum_of_its_parts() -> None:
    found = apply_calibration(prediction(some_parts(5)), CPU, calibration(phone_rows(6)))
    assert found.latency_ms.value == pytest.approx(sum(found.parts.values()))
    assert found.latency_p90_ms.value == found.latency_ms.high


def test_left_out_is_without_all_rows_of_the_model() -> None:
    parts = some_parts(1)
    rows = [call(parts, 50.0, model=1), call(parts, 50.0, model=1), call(some_parts(2), 1.0, model=2)]
    first, second, _ = left_out_ms(rows)
    alone = fit_factors(rows[2:]).predict_ms(CPU, parts)
    assert first == second == pytest.approx(alone)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 10_000), max_size=8, unique=True),
    factors=st.lists(st.floats(0.5, 2.0), min_size=8, max_size=8),
    own=st.integers(10_001, 20_000),
    off=st.floats(0.5, 2.0),
)
def test_one_more_row_never_worsens_its_own_prediction(
    seeds: list[int], factors: list[float], own: int, off: float
) -> None:
    """Of rows that contradict each other by more, another may be the one to be believed."""
    rows = [call(p := some_parts(s), sum(p.values()) * f, model=s) for s, f in zip(seeds, factors, strict=False)]
    parts = some_parts(own)
    measured = true_ms(parts) * off

    def error(rows: list[MeasuredCall]) -> float:
        return abs(math.log(fit_factors(rows).predict_ms(CPU, parts) / measured))

    assert error([*rows, call(parts, measured, model=own)]) <= error(rows) + 1e-6


def test_a_model_off_by_a_factor_of_its_own_does_not_move_the_others() -> None:
    """As one whose ops a runtime leaves to slow kernels."""
    rows = phone_rows(12, noise=0.03)
    outlier = rows[5].model_copy(update={"measured_ms": 8 * rows[5].measured_ms})
    with_it, without = fit_factors([*rows[:5], outlier, *rows[6:]]), fit_factors([*rows[:5], *rows[6:]])
    for seed in range(100, 120):
        parts = some_parts(seed)
        assert with_it.predict_ms(CPU, parts) == pytest.approx(without.predict_ms(CPU, parts), rel=0.1)


def test_a_phone_far_from_what_was_predicted_is_no_row_of_outliers() -> None:
    rows = [call(p := some_parts(seed), 12 * true_ms(p), model=seed) for seed in range(8)]
    factors = fit_factors(rows)
    for row in rows:
        assert factors.predict_ms(CPU, row.parts) == pytest.approx(row.measured_ms, rel=0.2)


@pytest.mark.slow
def test_as_many_rows_as_are_allowed_are_fitted_in_no_time() -> None:
    begun = time.process_time()
    left_out_ms(phone_rows(MOST_ROWS, noise=0.1))
    assert time.process_time() - begun < 10


def test_an_architecture_s_own_factor_is_known_from_its_other_sizes() -> None:
    """And what is made of other ops is not moved by it."""
    kinds = [{"conv": 1.0}, {"recurrent": 1.0}]

    def row(size: float, kind: dict[str, float], factor: float, model: int) -> MeasuredCall:
        parts = {"call": 0.01, "ops": 0.1 * size, "arithmetic": 0.7 * size, "memory": 0.2 * size}
        own = {name: size * share for name, share in kind.items()}
        return call(parts, factor * sum(parts.values()), model=model).model_copy(update={"kinds": own})

    rows = [
        row(2.0**i, kind, f, 10 * i + j)
        for i in range(5)
        for j, (kind, f) in enumerate(zip(kinds, (1, 2), strict=True))
    ]
    phone = fit_phone(rows)
    for kind, factor in zip(kinds, (1, 2), strict=True):
        asked = row(6.0, kind, factor, 99)
        assert phone.predict_ms(CPU, spent_of(asked)) == pytest.approx(asked.measured_ms, rel=0.1)
